"""`docker compose up`, from outside: it ends, it survives any kill, it leaves nothing behind.

Needs a Docker engine with compose, the images that the compose file names, and the official green
file.
"""

import json
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from rushhour.core import keys
from rushhour.runtime.redis_client import read_hash
from rushhour.storage.submissions import rejected_submissions
from tests.fixtures.compose import Compose
from tests.fixtures.redis_server import contents
from tests.fixtures.waiting import wait_until

MONTH_HOURS = 744
THREE_DAYS: dict[str, Any] = {"FROM": "2024-10-01", "UNTIL": "2024-10-03"}
THREE_DAYS_HOURS = 72
ONE_DAY: dict[str, Any] = {"FROM": "2024-10-01", "UNTIL": "2024-10-01"}
MID_RUN = 12
CLUSTER = ("--profile", "cluster")
SHARED = {"DATAFLOWS": "3", "CONSUMERS": "2"}
AWAY_S = 60.0
PATIENCE_S = 240.0  # a busy machine may be slow


@pytest.fixture(scope="module")
def compose(docker_engine: None, compose_plugin: None, data_dir: Path) -> Iterator[Compose]:
    """The compose file on green taxis, its image built; everything is taken down at the end."""
    compose = Compose(DATASET="green", DATA_DIR=str(data_dir), SPEED="max")
    compose.down()
    compose("build")
    yield compose
    compose.down(check=False)


@pytest.fixture(scope="module")
def month(compose: Compose) -> dict[str, object]:
    """What Redis holds after a run over the whole month."""
    compose("up", "-d")
    report = compose.wait_for_report()
    assert f"finished: all {MONTH_HOURS} hours are closed and scored" in report
    return contents(compose.client())


@pytest.fixture(scope="module")
def three_days(compose: Compose) -> dict[str, object]:
    """What Redis holds after a run over three days that nothing disturbed."""
    compose.down()
    compose("up", "-d", **THREE_DAYS)
    assert f"finished: all {THREE_DAYS_HOURS} hours" in compose.wait_for_report()
    return contents(compose.client())


def test_a_month_at_speed_max_ends_with_what_the_file_holds(
    compose: Compose, month: dict[str, object]
) -> None:
    zone: Any = month[keys.zone(132)]
    assert (zone["name"], zone["hour"]) == ("JFK Airport", "2024-10-31T23")
    verified = compose("run", "--rm", "report", "rushhour", "verify")
    lines = [line for line in verified.splitlines() if line.strip()]
    assert [line for line in lines if not line.startswith("ok ")] == []
    assert "56,140 rides, 0 zone-hours differ" in verified


def test_a_finished_run_stays_finished_when_everything_starts_again(
    compose: Compose, month: dict[str, object]
) -> None:
    compose("up", "-d")
    assert "finished: all 744 hours" in compose.wait_for_report()
    assert "is finished; to start over" in compose("logs", "prepare")
    assert contents(compose.client()) == month


def test_topics_can_be_read_with_the_tools_of_kafka(
    compose: Compose, month: dict[str, object]
) -> None:
    messages = compose(
        *("exec", "-T", "kafka", "/opt/kafka/bin/kafka-console-consumer.sh"),
        *("--bootstrap-server", "localhost:9092", "--topic", "trips", "--partition", "0"),
        *("--offset", "earliest", "--max-messages", "2"),
    )
    first, second = (json.loads(line) for line in messages.splitlines()[:2])
    assert (first["type"], first["sim_ts"], first["trips"]) == ("tick", 1727740800000, 0)
    assert second["type"] == "trip"


@pytest.mark.parametrize(
    ("profiles", "service"),
    [
        ((), "producer"),
        ((), "dataflow"),
        ((), "consumer"),
        ((), "redis"),
        ((), "kafka"),
        (CLUSTER, "dataflow-1"),
        (CLUSTER, "consumer-1"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_container_killed_in_mid_run_changes_nothing(
    compose: Compose,
    three_days: dict[str, object],
    profiles: tuple[str, ...],
    service: str,
) -> None:
    compose.down()
    variables = THREE_DAYS | {"SPEED": "12h/s"} | (SHARED if profiles else {})
    compose(*profiles, "up", "-d", **variables)
    wait_until(lambda: compose.hours_closed() >= MID_RUN, "the run has begun", PATIENCE_S)
    compose(*profiles, "kill", service)
    assert compose.hours_closed() < THREE_DAYS_HOURS
    compose(*profiles, "up", "-d", service, **variables)
    wait_until(
        lambda: compose.hours_closed() == THREE_DAYS_HOURS, "the run is finished", PATIENCE_S
    )
    assert contents(compose.client()) == three_days


def test_servers_that_are_away_change_nothing_and_the_next_run_needs_no_restart(
    compose: Compose, three_days: dict[str, object]
) -> None:
    """Longer than ten restarts would last. The processes stay up when they are done."""
    compose.down()
    variables = THREE_DAYS | {"SPEED": "6h/s"}
    compose("up", "-d", **variables)
    wait_until(lambda: compose.hours_closed() >= MID_RUN, "the run has begun", PATIENCE_S)
    compose("stop", "redis", "kafka", **variables)
    time.sleep(AWAY_S)
    compose("start", "redis", "kafka", **variables)
    wait_until(
        lambda: compose.hours_closed() == THREE_DAYS_HOURS, "the run is finished", PATIENCE_S
    )
    assert contents(compose.client()) == three_days

    def in_new_run() -> bool:
        return 0 < compose.hours_closed() < THREE_DAYS_HOURS

    compose("run", "--rm", "-T", "prepare", "rushhour", "prepare", "--new", **variables)
    wait_until(in_new_run, "the processes have joined the new run", PATIENCE_S)


def test_a_run_is_controlled_and_monitored_from_outside(compose: Compose) -> None:
    compose.down()
    compose("--profile", "monitoring", "up", "-d", "prometheus", "report", "consumer", "dataflow")
    compose("up", "-d", SPEED="1h/s")
    wait_until(lambda: compose.hours_closed() >= 1, "the run has begun", PATIENCE_S)

    paused = compose("exec", "-T", "producer", "rushhour", "pause")
    assert paused.startswith("paused at 1h/s")
    assert "paused at 1h/s" in compose("exec", "-T", "producer", "rushhour", "status")
    assert compose("exec", "-T", "redis", "redis-cli", "HGET", "sim:clock", "state") == "paused\n"
    resumed = compose("exec", "-T", "producer", "rushhour", "resume")
    assert resumed.startswith(("running at 1h/s", "throttled at 1h/s"))

    def scraped() -> set[str]:
        try:
            with urllib.request.urlopen(
                f"{compose.prometheus}/api/v1/query?query=up==1", timeout=5
            ) as reply:
                result = json.load(reply)["data"]["result"]
        except OSError:
            return set()
        return {series["metric"]["job"] for series in result}

    jobs = {"producer", "dataflow", "consumer"}
    wait_until(lambda: scraped() >= jobs, "Prometheus scrapes every process", 60.0)


def test_a_pipeline_in_its_container_keeps_step_with_a_clock_that_is_stepped(
    compose: Compose,
) -> None:
    compose.down()
    variables = ONE_DAY | {"GATE": "pipeline", "START_AT": "2024-10-01 06:00", "PAUSED": "true"}
    profile = ("--profile", "pipeline")
    compose(*profile, "up", "-d", **variables)

    def clock() -> tuple[str, str]:
        state, now = compose.client().hmget(keys.CLOCK, "state", "now")
        return str(state), str(now)

    def last_hour_acknowledged() -> str:
        return str(compose.client().hget(keys.GATE, "acknowledged:pipeline"))

    at_start = ("paused", "2024-10-01 06:00")
    wait_until(lambda: clock() == at_start, "the clock stands at its start", PATIENCE_S)
    stepped = compose("exec", "-T", "producer", "rushhour", "step", "2h")
    assert [line[:16] for line in stepped.splitlines() if "  rides " in line] == [
        "2024-10-01 06:00",
        "2024-10-01 07:00",
    ]
    # A step returns once its hours are scored, which may be before they are acknowledged.
    wait_until(lambda: last_hour_acknowledged() == "2024-10-01T07", "07:00 is", PATIENCE_S)
    compose(*profile, "kill", "pipeline")
    compose("run", "--rm", "-T", "--no-deps", "report", "rushhour", "step")
    compose("exec", "-T", "producer", "rushhour", "resume")
    wait_until(lambda: clock()[0] == "waiting", "the clock waits", PATIENCE_S)
    assert last_hour_acknowledged() == "2024-10-01T07"
    assert compose.hours_closed() == 9
    compose(*profile, "up", "-d", "pipeline", **variables)
    compose(*profile, "up", "-d", "report", **variables)
    assert "finished: all 24 hours" in compose.wait_for_report()
    assert last_hour_acknowledged() == "2024-10-01T23"
    rejected = rejected_submissions(read_hash(compose.client(), keys.QUALITY))
    assert not {reason: count for reason, count in rejected.items() if count}
    assert "mean_of_hour" in compose("exec", "-T", "producer", "rushhour", "models")


def test_an_invalid_variable_is_reported_before_anything_starts(compose: Compose) -> None:
    compose.down()
    compose("up", "-d", check=False, SPEED="fast")
    last = compose("logs", "--no-log-prefix", "prepare").splitlines()[-1]
    assert "rushhour: speed 'fast' is not a speed" in last
    assert compose("ps", "-q", "producer", "dataflow", "consumer") == ""


def test_down_leaves_nothing(compose: Compose) -> None:
    compose("up", "-d", "redis")
    assert compose.resources() != []
    compose.down()
    assert compose.resources() == []
