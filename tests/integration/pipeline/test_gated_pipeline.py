"""A whole pipeline in step with gates: every hour is waited for, through any kill, and exactly."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

from rushhour.core import keys
from rushhour.core.hours import HOUR_MS, hour_label
from rushhour.simulator.stack.process_specs import process_specs, start_process
from rushhour.simulator.stack.stack import Stack
from rushhour.storage.clock import last_hour_closed, load_status
from rushhour.storage.gate import acknowledge, load_gate
from rushhour.storage.runs import load_run
from tests.fixtures.pipeline import PipelineRunner, RunResult
from tests.fixtures.redis_cli import needs_redis_cli, redis_cli
from tests.fixtures.waiting import wait_until

SPAN = ("2024-10-01 06:00", "2024-10-01 17:00")
HOURS = 12
EXAMPLE = Path(__file__).parents[3] / "examples" / "hourly_pipeline.py"


@pytest.fixture(scope="module")
def undisturbed(pipeline: PipelineRunner, trip_file: Path) -> RunResult:
    return pipeline(trip_file, SPAN)


def assert_same(found: RunResult, expected: RunResult) -> None:
    assert found.keys.keys() == expected.keys.keys()
    for key, value in expected.keys.items():
        assert found.keys[key] == value, key


def acknowledge_with_redis_cli(stack: Stack, name: str, hour: int) -> None:
    words = ["gate", name, "hour", hour_label(hour)]
    redis_cli(stack.redis_address.url, "XADD", keys.ACKS, "*", *words)


def wait_for(stack: Stack, hour: int, *names: str) -> None:
    """Wait until gates are awaited for an hour; the clock then stands at its end."""

    def is_awaited() -> bool:
        status = load_gate(stack.client)
        return (status.hour_ts, status.awaited) == (hour, names)

    wait_until(is_awaited, f"{names} are awaited for {hour_label(hour)}")

    def stands() -> bool:
        status = load_status(stack.client)
        if status is None or status.now_ts < hour + HOUR_MS:
            return False
        assert status.now_ts == hour + HOUR_MS
        return status.state == "waiting"

    wait_until(stands, "the clock says that it waits")
    assert last_hour_closed(stack.client) == hour
    # The next hour is predicted, so that there is something to compare with.
    assert stack.client.exists(keys.predictions(hour_label(hour + HOUR_MS)))


def kill_producer(stack: Stack) -> None:
    os.kill(stack.processes["producer"].pid, signal.SIGKILL)
    assert stack.processes["producer"].wait(20.0)


def start_producer(stack: Stack) -> None:
    specs = process_specs(stack.run_settings, load_run(stack.client))
    (spec,) = (spec for spec in specs if spec.name == "producer")
    stack.processes["producer"] = start_process(spec, stack.directory)


@needs_redis_cli
def test_each_hour_is_waited_for_with_redis_cli_as_the_client_through_kills_of_the_producer(
    pipeline: PipelineRunner, trip_file: Path, undisturbed: RunResult
) -> None:
    def disturb(stack: Stack) -> None:
        run = load_run(stack.client)
        for number, hour in enumerate(range(run.start_ts, run.end_ts, HOUR_MS)):
            wait_for(stack, hour, "features", "inference")
            if number == 3:  # killed while it waits
                since = load_gate(stack.client).since_ts
                kill_producer(stack)
                start_producer(stack)
                wait_for(stack, hour, "features", "inference")
                assert load_gate(stack.client).since_ts == since
            acknowledge_with_redis_cli(stack, "features", hour)
            wait_for(stack, hour, "inference")
            if number == 6:  # killed between the two, and acknowledged while it is dead
                kill_producer(stack)
                acknowledge_with_redis_cli(stack, "inference", hour)
                start_producer(stack)
            elif number == HOURS - 1:  # all hours are closed: only the gate is open
                kill_producer(stack)
                start_producer(stack)
                wait_for(stack, hour, "inference")
                acknowledge_with_redis_cli(stack, "inference", hour)
            else:
                for _ in range(2):
                    acknowledge_with_redis_cli(stack, "inference", hour)

    found = pipeline(trip_file, SPAN, disturb, gate="features,inference")
    assert found.hash("quality")["hours_closed"] == str(HOURS)
    assert found.clock["state"] == "finished"
    assert_same(found, undisturbed)


@pytest.mark.parametrize("name", ["dataflow", "consumer"])
def test_a_part_that_is_killed_while_the_gate_waits_is_not_missed(
    pipeline: PipelineRunner, trip_file: Path, undisturbed: RunResult, name: str
) -> None:
    def disturb(stack: Stack) -> None:
        run = load_run(stack.client)
        for number, hour in enumerate(range(run.start_ts, run.end_ts, HOUR_MS)):
            wait_for(stack, hour, "inference")
            if number == 4:
                os.kill(stack.processes[name].pid, signal.SIGKILL)
                assert stack.processes[name].wait(20.0)
                (spec,) = (s for s in process_specs(stack.run_settings, run) if s.name == name)
                stack.processes[name] = start_process(spec, stack.directory)
            acknowledge(stack.client, "inference", hour)

    assert_same(pipeline(trip_file, SPAN, disturb, gate="inference"), undisturbed)


def start_example(stack: Stack, directory: Path) -> subprocess.Popen[bytes]:
    command = [sys.executable, str(EXAMPLE), "--gate", "pipeline", "--out", str(directory)]
    servers = {"RUSHHOUR_REDIS": stack.redis_address.url, "RUSHHOUR_KAFKA": stack.kafka.bootstrap}
    env = os.environ | servers
    return subprocess.Popen(command, env=env)


def without_submissions(run: RunResult) -> dict[str, object]:
    """What a run holds beside submissions; those of a killed pipeline may have come twice."""
    kept = {key: value for key, value in run.keys.items() if ":submitted:" not in key}
    quality = run.hash(keys.QUALITY).items()
    kept[keys.QUALITY] = {k: v for k, v in quality if not k.startswith("rejected_submissions:")}
    return kept


def written(directory: Path) -> list[str]:
    return sorted(path.stem for path in directory.glob("*.parquet"))


def test_the_example_predicts_every_hour_before_it_begins_though_it_is_killed(
    pipeline: PipelineRunner, trip_file: Path, undisturbed: RunResult, tmp_path: Path
) -> None:
    def disturb(stack: Stack) -> None:
        run = load_run(stack.client)
        service = start_example(stack, tmp_path)
        try:
            wait_until(lambda: len(written(tmp_path)) >= 4, "four hours are predicted")
            service.kill()
            service.wait()
            service = start_example(stack, tmp_path)
            wait_until(lambda: service.poll() is not None, "the service has ended")
        finally:
            service.kill()
        assert service.returncode == 0
        expected = [hour_label(run.start_ts + n * HOUR_MS) for n in range(1, HOURS + 1)]
        assert written(tmp_path) == expected

    found = pipeline(trip_file, SPAN, disturb, gate="pipeline")
    assert without_submissions(found) == undisturbed.keys
    # The run scored what came before each hour but the first, and nothing that came late.
    submitted = found.hash(keys.submitted_model("mean_of_hour"))
    assert int(submitted["pairs_24h"]) == int(submitted["taken"]) > 0
    assert "rejected_submissions:late" not in found.hash(keys.QUALITY)
    table = pd.read_parquet(tmp_path / "2024-10-01T10.parquet")
    assert list(table) == ["pickup_location_id", "predicted_demand", "pickup_hour"]
    assert (table["pickup_hour"] == pd.Timestamp("2024-10-01 10:00", tz="UTC")).all()
    rides = [found.hash(f"rides:2024-10-01T{hour:02}") for hour in range(6, 10)]
    for zone, predicted in zip(table["pickup_location_id"], table["predicted_demand"], strict=True):
        mean = sum(int(hour.get(str(zone), 0)) for hour in rides) / len(rides)
        assert predicted == pytest.approx(mean)
