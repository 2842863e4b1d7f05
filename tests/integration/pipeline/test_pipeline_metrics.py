"""What the processes of a finished run export over HTTP, if they stay alive."""

import json
import math
import socket
import urllib.request
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
import redis
from prometheus_client.parser import text_string_to_metric_families

from rushhour.core import keys
from rushhour.core.topics import ALERTS, HOURLY_RIDES, PREDICTIONS, SUBMISSIONS, TRIPS
from rushhour.core.zones import ZONE_IDS
from rushhour.runtime.lease import live_processes
from rushhour.runtime.redis_client import read_hash
from rushhour.simulator.runs import describe_run
from rushhour.simulator.stack import process_specs as specs_module
from rushhour.simulator.stack import stack as stack_module
from rushhour.simulator.stack.child_process import ChildProcess
from rushhour.simulator.stack.ports import HOST, free_ports
from rushhour.simulator.stack.process_specs import ProcessSpec, process_specs
from rushhour.simulator.stack.stack import open_stack
from tests.fixtures.pipeline import TWO_DAYS, hours_closed
from tests.fixtures.recount import MODELS
from tests.fixtures.settings import SettingsFactory
from tests.fixtures.waiting import wait_until

# What follows the name of a score in the name of its metric.
UNITS = (
    dict.fromkeys(("mae", "rmse", "bias", "wis"), "_rides")
    | dict.fromkeys(("skill", "coverage"), "_ratio")
    | {"deviance": ""}
)
Samples = dict[tuple[str, str], float]  # name, and labels as text -> value


def free_ports_in_a_row(count: int) -> int:
    """Return the first of `count` consecutive ports on which nothing listens."""
    while True:
        (first,) = free_ports(1)
        try:
            for port in range(first + 1, first + count):
                socket.create_server((HOST, port)).close()
        except (OSError, OverflowError):
            continue
        return first


def get(port: int, path: str) -> str:
    """Return the response of a process."""
    with urllib.request.urlopen(f"http://{HOST}:{port}{path}", timeout=10.0) as answer:
        return str(answer.read().decode())


def scrape(port: int) -> tuple[set[str], Samples]:
    """Return the names of a process's own metrics, and their samples."""
    families = [
        family
        for family in text_string_to_metric_families(get(port, "/metrics"))
        if family.name.startswith("rushhour_") and not family.name.endswith("_created")
    ]
    names = {f"{f.name}_total" if f.type == "counter" else f.name for f in families}
    samples = {
        (sample.name, ",".join(f"{k}={v}" for k, v in sorted(sample.labels.items()))): sample.value
        for family in families
        for sample in family.samples
    }
    return names, samples


@dataclass(frozen=True)
class FinishedRun:
    """A run of five processes that have done their work: its Redis, and their ports."""

    client: redis.Redis
    ports: dict[str, int]


@pytest.fixture(scope="module")
def finished_run(settings: SettingsFactory, trip_file: Path) -> Iterator[FinishedRun]:
    ours = settings(
        dataset="green",
        data=trip_file,
        from_hour=TWO_DAYS[0],
        until_hour=TWO_DAYS[1],
        speed="max",
        redis_port=free_ports(1)[0],
        dataflows=2,
        consumers=2,
        metrics_port=free_ports_in_a_row(5),
    )
    run = describe_run(ours, [trip_file])

    def start(spec: ProcessSpec, directory: Path) -> ChildProcess:
        """Start a process that stays alive; under `up` none does."""
        alive = spec.settings.model_copy(update={"stay_alive": True})
        return specs_module.start_process(replace(spec, settings=alive), directory)

    with pytest.MonkeyPatch.context() as patch, open_stack(ours, ours.state_dir) as stack:
        patch.setattr(stack_module, "start_process", start)
        stack.start_pipeline(run)
        wait_until(
            lambda: stack.is_done() or hours_closed(stack) == 48, "all hours are closed", 120.0
        )
        wait_until(lambda: not live_processes(stack.client), "the processes are done")
        ports = {spec.name: spec.settings.metrics_port or 0 for spec in process_specs(ours, run)}
        yield FinishedRun(stack.client, ports)


def test_each_process_exports_what_is_documented_of_it(
    finished_run: FinishedRun, documented_metrics: dict[str, set[str]]
) -> None:
    for name, port in finished_run.ports.items():
        assert scrape(port)[0] == documented_metrics[name.partition("-")[0]], name


def test_a_process_that_stays_alive_is_healthy_and_names_itself(finished_run: FinishedRun) -> None:
    for name, port in finished_run.ports.items():
        process = name.partition("-")[0]
        assert json.loads(get(port, "/healthz")) == {"process": process, "status": "ok"}


def test_the_figures_of_all_processes_add_up(finished_run: FinishedRun) -> None:
    sums: Samples = {}
    for port in finished_run.ports.values():
        for key, value in scrape(port)[1].items():
            sums[key] = sums.get(key, 0.0) + value

    trips = float(read_hash(finished_run.client, keys.CLOCK)["trips"])
    assert sums["rushhour_trips_sent_total", ""] == trips
    assert sums["rushhour_trips_counted_total", ""] == trips
    assert sums["rushhour_duplicate_trips_total", ""] == 0.0
    assert sums["rushhour_forecast_duration_seconds_count", ""] == 49.0
    assert sums["rushhour_events_read_total", "topic=hourly_rides"] == 48.0 * len(ZONE_IDS)
    assert sums["rushhour_events_read_total", "topic=predictions"] == 49.0 * len(ZONE_IDS)
    assert sums["rushhour_duplicate_events_total", ""] == 0.0
    lags = {labels: value for (name, labels), value in sums.items() if "lag_messages" in name}
    assert lags == {
        f"partition={partition},topic={topic}": 0.0
        for topic in (TRIPS, HOURLY_RIDES, PREDICTIONS, ALERTS, SUBMISSIONS)
        for partition in range(4)
    }


def test_the_producer_exports_the_clock_and_the_rejected_rows(finished_run: FinishedRun) -> None:
    client = finished_run.client
    _, found = scrape(finished_run.ports["producer"])
    now = int(read_hash(client, keys.CLOCK)["now_ts"]) / 1000
    assert found["rushhour_simulated_timestamp_seconds", ""] == now
    assert found["rushhour_speed_ratio", ""] == math.inf
    states = {labels: value for (name, labels), value in found.items() if "clock_state" in name}
    assert {state for state, value in states.items() if value} == {"rushhour_clock_state=finished"}
    assert {
        labels.removeprefix("reason="): str(int(value))
        for (name, labels), value in found.items()
        if name == "rushhour_rows_rejected"
    } == {
        field.removeprefix("rejected:"): value
        for field, value in read_hash(client, keys.QUALITY).items()
        if field.startswith("rejected:")
    }


def test_every_consumer_exports_the_figures_of_the_run_in_redis(finished_run: FinishedRun) -> None:
    client = finished_run.client
    city, quality = read_hash(client, keys.CITY), read_hash(client, keys.QUALITY)
    expected: Samples = {
        ("rushhour_hourly_windows_due", ""): 48.0,
        ("rushhour_hourly_windows_closed", ""): 48.0,
        ("rushhour_overlap_ratio", ""): float(quality["overlap"]),
        ("rushhour_alerts", ""): float(quality["alerts"]),
        ("rushhour_city_rides", ""): float(city["rides"]),
        ("rushhour_city_prediction", ""): float(city["prediction"]),
    } | {
        (f"rushhour_{score}{UNITS[score]}", f"model={model},window={window}"): float(value)
        for model in MODELS
        for field, value in read_hash(client, keys.model(model)).items()
        if field != "hour" and value != "n/a"
        for score, window in [field.split("_")]
    }
    for consumer in ("consumer-0", "consumer-1"):
        _, found = scrape(finished_run.ports[consumer])
        assert {key: found[key] for key in expected} == expected


def test_a_process_that_stays_alive_ends_when_another_run_takes_its_place(
    finished_run: FinishedRun,
) -> None:
    """It is started again then, and joins that run. The last test: it ends the processes."""
    finished_run.client.hset(keys.RUN, "run_id", "another")

    def all_ended() -> bool:
        with suppress(ConnectionRefusedError):
            for port in finished_run.ports.values():
                socket.create_connection((HOST, port)).close()
                return False
        return True

    wait_until(all_ended, "the processes have ended")
