"""`/metrics` and `/healthz` over HTTP, and the metrics that a consumer reads from Redis."""

import http.client
import json
import math
import socket
from collections.abc import Callable, Iterator

import numpy as np
import pytest
import redis
from prometheus_client import CollectorRegistry, Counter, generate_latest
from prometheus_client.parser import text_string_to_metric_families

from consumers.consumer import Consumer
from consumers.metrics import MOST_SUBMITTED, SUBMITTED, RunCollector
from consumers.pending import HourUpdate
from rushhour.core import keys
from rushhour.core.errors import StackError
from rushhour.core.forecast import Forecast
from rushhour.core.models import REFERENCE, SERVED
from rushhour.core.run import RunInfo
from rushhour.core.topics import ZONE_TOPICS
from rushhour.core.zones import ZONE_COUNT
from rushhour.runtime.monitor import STUCK_AFTER_S, Health, serve
from rushhour.simulator.stack.ports import free_ports
from rushhour.storage import submissions
from rushhour.storage.columns import all_zones
from rushhour.storage.hour_tables import HourTables
from rushhour.storage.runs import save_run
from tests.fixtures.redis_server import fence_of

HOST = "127.0.0.1"
START = 1_727_910_000_000  # 2024-10-02 23:00
HOUR = 3_600_000
SILENT = "silent"  # a model that never predicts anything
MODELS = (SERVED, REFERENCE, SILENT)
RUN = RunInfo("id", "green", "2024-10", "a", "/a", START, START + 30 * HOUR, models=MODELS)


class Wall:
    """A wall clock that is set by the test."""

    now = 1_000.0

    def __call__(self) -> float:
        return self.now


class Monitored:
    """The HTTP server of a process, and its health."""

    def __init__(self, port: int) -> None:
        self.wall = Wall()
        self.health = Health(self.wall)
        self.port = port
        serve("consumer", HOST, port, self.health)

    def get(self, path: str) -> tuple[int, str, str]:
        """Return status, type and body of an answer."""
        connection = http.client.HTTPConnection(HOST, self.port, timeout=10.0)
        connection.request("GET", path)
        answer = connection.getresponse()
        found = answer.status, answer.headers["Content-Type"], answer.read().decode()
        connection.close()
        return found


@pytest.fixture(scope="module")
def monitored() -> Monitored:
    return Monitored(free_ports(1)[0])


def test_metrics_are_in_the_format_of_prometheus(monitored: Monitored) -> None:
    status, kind, body = monitored.get("/metrics")
    assert status == 200
    assert kind.startswith("text/plain; version=")
    found = {family.name: family for family in text_string_to_metric_families(body)}
    assert found["rushhour_duplicate_events"].type == "counter"


def test_healthz_is_200_with_heartbeats_and_503_without(monitored: Monitored) -> None:
    def healthz() -> tuple[int, str, object]:
        status, kind, body = monitored.get("/healthz")
        return status, kind, json.loads(body)

    ok = (200, "application/json", {"process": "consumer", "status": "ok"})
    stuck = (503, "application/json", {"process": "consumer", "status": "stuck"})
    monitored.health.beat()
    assert healthz() == ok
    monitored.wall.now += STUCK_AFTER_S
    assert healthz() == stuck
    monitored.health.beat()
    assert healthz() == ok


def test_readyz_is_200_once_the_process_works_and_has_what_it_needs() -> None:
    process = Monitored(free_ports(1)[0])

    def readyz() -> tuple[int, object]:
        status, _, body = process.get("/readyz")
        return status, json.loads(body)

    def answer(status: str, *missing: str) -> dict[str, object]:
        return {"process": "consumer", "status": status, "missing": [*missing]}

    assert readyz() == (503, answer("starting"))
    process.health.beat()
    assert readyz() == (200, answer("ready"))
    process.health.set("kafka", up=False)
    process.health.set("redis", up=True)
    assert readyz() == (503, answer("waiting", "kafka"))
    assert process.get("/healthz")[0] == 200  # to restart it would not help
    process.health.set("kafka", up=True)
    assert readyz() == (200, answer("ready"))


@pytest.mark.parametrize("path", ["/", "/metrics/", "/health", "/healthz/more"])
def test_other_paths_are_not_found(monitored: Monitored, path: str) -> None:
    status, kind, body = monitored.get(path)
    assert (status, kind) == (404, "application/json")
    assert json.loads(body) == {"error": "not found: use /metrics, /healthz or /readyz"}


def test_an_idle_connection_does_not_block_others(monitored: Monitored) -> None:
    with socket.create_connection((HOST, monitored.port)):
        assert monitored.get("/healthz")[0] == 200


def test_requests_are_not_logged(monitored: Monitored, capfd: pytest.CaptureFixture[str]) -> None:
    for path in ("/metrics", "/healthz", "/nothing"):
        monitored.get(path)
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("host", [HOST, "0.0.0.0"])
def test_a_taken_port_is_one_line(host: str) -> None:
    with socket.create_server((HOST, 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(StackError) as caught:
            serve("consumer", host, port, Health())
    message = str(caught.value)
    assert message.startswith(f"metrics on {host}:{port}: ")
    assert message.endswith(": choose another metrics port")
    assert "\n" not in message
    assert caught.value.exit_code == 6


def test_an_address_of_another_machine_is_one_line() -> None:
    with pytest.raises(StackError, match=r"^metrics on 192\.0\.2\.1:\d+: "):
        serve("consumer", "192.0.2.1", free_ports(1)[0], Health())


# The run, read from Redis at each scrape.

Figures = dict[tuple[str, str, str], float]  # name, model or band, window -> value


@pytest.fixture
def scrape(client: redis.Redis) -> Iterator[Callable[[], Figures]]:
    save_run(client, RUN)
    registry = CollectorRegistry()
    registry.register(RunCollector(client, RUN))

    def read() -> Figures:
        return {
            (
                sample.name.removeprefix("rushhour_"),
                sample.labels.get("model", sample.labels.get("band", "")),
                sample.labels.get("window", ""),
            ): sample.value
            for family in registry.collect()
            for sample in family.samples
        }

    yield read


def close_hours(client: redis.Redis, count: int) -> None:
    """Close hours in which each zone had 5 rides; 6 were predicted, and 7 by the reference.

    The intervals of the first 53 zones missed; in each hour 2 zones have an alert.
    """
    client.hset(keys.OFFSETS, mapping={keys.offset_field(topic, 0): 0 for topic in ZONE_TOPICS})
    save_run(client, RUN)
    consumer = Consumer(client, fence_of(client), RUN, 0)
    silent = np.full(ZONE_COUNT, np.nan)
    lower, alerts = np.full(ZONE_COUNT, 5.0), silent.copy()
    lower[:53] = 6.0
    alerts[[3, 131]] = 0.5

    def forecast(hour_ts: int) -> Forecast:
        served, reference = np.full(ZONE_COUNT, 6.0), np.full(ZONE_COUNT, 7.0)
        by_model = {SERVED: served, REFERENCE: reference, SILENT: silent}
        return Forecast(hour_ts, by_model, served, lower, served)

    for hour_ts in range(START, START + count * HOUR, HOUR):
        closed = HourTables(np.full(ZONE_COUNT, 5.0), forecast(hour_ts), alerts)
        update = HourUpdate(all_zones(), forecast(hour_ts + HOUR), closed)
        consumer.write([update], {("hourly_rides", 0): 1}, {0: hour_ts + HOUR})


def test_before_the_first_hour_only_known_values_are_exported(
    scrape: Callable[[], Figures],
) -> None:
    assert scrape() == {
        ("hourly_windows_due", "", ""): 30.0,
        ("hourly_windows_closed", "", ""): 0.0,
    }


def test_each_scrape_reads_redis(client: redis.Redis, scrape: Callable[[], Figures]) -> None:
    scrape()
    close_hours(client, 3)
    found = scrape()
    plain = {name: value for (name, model, _), value in found.items() if not model}
    assert plain == {
        "hourly_windows_due": 30.0,
        "hourly_windows_closed": 3.0,
        "last_hour_closed_timestamp_seconds": (START + 2 * HOUR) / 1000,
        "overlap_ratio": 1.0,
        "alerts": 6.0,
        "city_rides": 5.0 * ZONE_COUNT,
        "city_prediction": 6.0 * ZONE_COUNT,
        "lease_taken_timestamp_seconds": 0.001,
    }
    of_models = {key: value for key, value in found.items() if key[1]}
    assert of_models.pop(("band_coverage_ratio", "5-20", "")) == 0.8
    for window in ("24h", "168h"):
        assert of_models.pop(("coverage_ratio", SERVED, window)) == 0.8
        # A fifth of the zones outside of an interval without width, the others in one of width 1.
        assert of_models.pop(("wis_rides", SERVED, window)) == round((0.2 + 0.8 * 0.55 / 1.5), 4)
    errors = {SERVED: 1.0, REFERENCE: 2.0}
    assert of_models == {
        (score, model, window): value
        for model, error in errors.items()
        for window in ("24h", "168h")
        for score, value in {
            "mae_rides": error,
            "rmse_rides": error,
            "bias_rides": error,
            "deviance": round(2 * (5 * math.log(5 / (5 + error)) + error), 4),
            "skill_ratio": 1.0 - error / errors[REFERENCE],
        }.items()
    }


def test_an_unknown_score_is_not_exported(
    client: redis.Redis, scrape: Callable[[], Figures]
) -> None:
    close_hours(client, 1)
    client.hset(f"model:{SERVED}", "skill_168h", "n/a")
    found = scrape()
    assert ("skill_ratio", SERVED, "168h") not in found
    assert ("skill_ratio", SERVED, "24h") in found


def test_models_of_users_have_names_of_their_own_and_a_bounded_number(
    client: redis.Redis, scrape: Callable[[], Figures]
) -> None:
    names = [SERVED, *(f"m-{number}.v2" for number in range(MOST_SUBMITTED + 5))]
    client.hset(keys.SUBMISSIONS, submissions.MODELS, ",".join(names))
    for error, name in enumerate(names):
        client.hset(
            keys.submitted_model(name), mapping={"taken": 1, "mae_24h": error, "mae_168h": "n/a"}
        )
    client.hset(keys.model(SERVED), "mae_24h", "9.5")
    found = scrape()
    assert found["mae_rides", SERVED, "24h"] == 9.5
    assert {key[1:]: value for key, value in found.items() if key[1].startswith(SUBMITTED)} == {
        (f"submitted:{name}", "24h"): float(error)
        for error, name in enumerate(names[:MOST_SUBMITTED])
    }


def test_without_redis_a_process_still_exports_its_own_metrics() -> None:
    """The process itself reports that Redis is gone."""
    registry = CollectorRegistry()
    Counter("own", "Its own", registry=registry).inc()
    registry.register(RunCollector(redis.Redis(HOST, free_ports(1)[0], decode_responses=True), RUN))
    assert b"own_total 1.0" in generate_latest(registry)
