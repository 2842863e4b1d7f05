"""`docker compose up`, from outside: it ends, it survives any kill, it leaves nothing behind.

Needs a Docker engine and the images that the compose file names. Extra compose files, such as
one for a build behind a proxy, come in `RUSHHOUR_COMPOSE_EXTRA`.
"""

import json
import os
import shutil
import subprocess
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import redis

from rushhour.core import keys
from rushhour.core.errors import RedisFailure
from rushhour.runtime.redis_client import connect
from rushhour.simulator.stack.ports import free_ports
from tests.fixtures.waiting import WaitUntil

pytestmark = pytest.mark.e2e

ROOT = Path(__file__).parents[2]
EXTRA = "RUSHHOUR_COMPOSE_EXTRA"
PROJECT = "rushhour-test"
CLUSTER = ("--profile", "cluster")
SHARED = {"DATAFLOWS": "3", "CONSUMERS": "2"}
HOURS = 744
MID_RUN = 150
PATIENCE_S = 240.0  # two cores may have much else to do

Contents = Callable[[redis.Redis], dict[str, object]]


needs_compose = pytest.mark.skipif(shutil.which("docker") is None, reason="needs docker compose")


class Compose:
    """The compose file with a project name, ports and settings of its own."""

    def __init__(self, **knobs: str) -> None:
        kafka, redis_port, prometheus = map(str, free_ports(3))
        self._files = [str(ROOT / "docker-compose.yml"), *_extra_files()]
        self._redis_port = redis_port
        self.prometheus = f"http://127.0.0.1:{prometheus}"
        self._env = os.environ | {
            "COMPOSE_PROJECT_NAME": PROJECT,
            "KAFKA_PORT": kafka,
            "REDIS_PORT": redis_port,
            "PROMETHEUS_PORT": prometheus,
            **knobs,
        }

    def __call__(self, *args: str, check: bool = True, **knobs: str) -> str:
        """Run `docker compose` to its end and return what it printed."""
        files = [part for file in self._files for part in ("-f", file)]
        ended = subprocess.run(
            ["docker", "compose", *files, *args],
            cwd=ROOT,
            env=self._env | knobs,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=600,
            check=False,
        )
        assert not check or ended.returncode == 0, f"{args}: {ended.stdout}\n{ended.stderr}"
        return ended.stdout

    def client(self) -> redis.Redis:
        """Return a client that reaches Redis the way a user on the host does."""
        return connect(f"redis://127.0.0.1:{self._redis_port}")

    def hours_closed(self) -> int:
        """Return how far the run is; 0 while Redis does not answer."""
        try:
            return int(str(self.client().hget(keys.QUALITY, "hours_closed") or 0))
        except (redis.RedisError, RedisFailure):
            return 0

    def wait_for_report(self) -> str:
        """Wait for the end of the run and return what the report says."""
        assert self("wait", "report").split()[-1] == "0"
        return self("logs", "--no-log-prefix", "report")

    def left(self) -> list[str]:
        """Return the containers, volumes and networks of the project."""
        mark = f"label=com.docker.compose.project={PROJECT}"
        return [
            line
            for kind in (("ps", "-a"), ("volume", "ls"), ("network", "ls"))
            for line in subprocess.run(
                ["docker", *kind, "-q", "--filter", mark],
                capture_output=True,
                text=True,
                check=True,
            ).stdout.split()
        ]


def _extra_files() -> list[str]:
    return [file for file in os.environ.get(EXTRA, "").split(":") if file]


@needs_compose
@pytest.mark.parametrize(
    "profiles", [(), ("cluster",), ("monitoring",), ("cluster", "monitoring")], ids=str
)
def test_the_compose_file_is_valid_with_every_profile(profiles: tuple[str, ...]) -> None:
    flags = [part for profile in profiles for part in ("--profile", profile)]
    config = json.loads(Compose()(*flags, "config", "--format", "json"))
    services = set(config["services"])
    assert {"kafka", "redis", "prepare", "producer", "dataflow", "consumer", "report"} <= services
    assert ("dataflow-2" in services) == ("cluster" in profiles)
    assert ("grafana" in services) == ("monitoring" in profiles)
    ports = [port for service in config["services"].values() for port in service.get("ports", [])]
    assert {port["host_ip"] for port in ports} == {"127.0.0.1"}


@needs_compose
def test_every_knob_of_env_reaches_a_service() -> None:
    lines = (ROOT / ".env").read_text(encoding="utf-8").splitlines()
    knobs = {line.partition("=")[0] for line in lines if line and not line.startswith("#")}
    text = (ROOT / "docker-compose.yml").read_text(encoding="utf-8")
    assert {"SPEED", "DATASET", "MONTH", "FROM", "UNTIL", "PARTITIONS"} <= knobs
    assert [knob for knob in knobs if "${" + knob + ":-" not in text] == []


@pytest.fixture(scope="module")
def compose(docker_engine: None, data_dir: Path) -> Iterator[Compose]:
    """The compose file on green taxis, its image built; all of it is taken down at the end."""
    compose = Compose(DATASET="green", DATA_DIR=str(data_dir), SPEED="max")
    compose("down", "-v", "--remove-orphans")
    compose("build")
    yield compose
    compose("--profile", "*", "down", "-v", check=False)


@pytest.fixture(scope="module")
def undisturbed(compose: Compose, contents: Contents) -> dict[str, object]:
    """What Redis holds after a run that nobody disturbed."""
    compose("up", "-d")
    said = compose.wait_for_report()
    assert f"finished: all {HOURS} hours are closed and scored" in said
    return contents(compose.client())


def test_at_speed_max_it_finishes_says_so_and_is_what_the_file_says(
    compose: Compose, undisturbed: dict[str, object]
) -> None:
    zone: Any = undisturbed[keys.zone(132)]
    assert (zone["name"], zone["hour"]) == ("JFK Airport", "2024-10-31T23")
    said = compose("run", "--rm", "report", "rushhour", "verify")
    lines = [line for line in said.splitlines() if line.strip()]
    assert [line for line in lines if not line.startswith("ok ")] == []
    assert "56,140 rides, 0 zone-hours differ" in said


def test_a_finished_run_stays_finished_when_everything_starts_again(
    compose: Compose, undisturbed: dict[str, object], contents: Contents
) -> None:
    compose("up", "-d")
    assert "finished: all 744 hours" in compose.wait_for_report()
    assert "the run is finished already" in compose("logs", "prepare")
    assert contents(compose.client()) == undisturbed


def test_topics_can_be_read_with_the_tools_of_kafka(
    compose: Compose, undisturbed: dict[str, object]
) -> None:
    said = compose(
        *("exec", "-T", "kafka", "/opt/kafka/bin/kafka-console-consumer.sh"),
        *("--bootstrap-server", "localhost:9092", "--topic", "trips", "--partition", "0"),
        *("--offset", "earliest", "--max-messages", "2"),
    )
    first, second = (json.loads(line) for line in said.splitlines()[:2])
    assert first == {"type": "tick", "sim_ts": 1727740800000, "final": False}
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
    undisturbed: dict[str, object],
    contents: Contents,
    wait_until: WaitUntil,
    profiles: tuple[str, ...],
    service: str,
) -> None:
    compose("--profile", "*", "down", "-v")
    knobs: dict[str, Any] = {"SPEED": "2d/s"} | (SHARED if profiles else {})
    compose(*profiles, "up", "-d", **knobs)
    wait_until(lambda: compose.hours_closed() >= MID_RUN, "the run is on its way", PATIENCE_S)
    compose(*profiles, "kill", service)
    assert compose.hours_closed() < HOURS
    compose(*profiles, "up", "-d", service, **knobs)
    wait_until(lambda: compose.hours_closed() == HOURS, "the run is finished", PATIENCE_S)
    assert contents(compose.client()) == undisturbed


def test_it_is_driven_and_watched_from_outside(compose: Compose, wait_until: WaitUntil) -> None:
    compose("--profile", "*", "down", "-v")
    compose("--profile", "monitoring", "up", "-d", "prometheus", "report", "consumer", "dataflow")
    compose("up", "-d", SPEED="1h/s")
    wait_until(lambda: compose.hours_closed() >= 1, "the run is on its way", PATIENCE_S)

    said = compose("exec", "-T", "producer", "rushhour", "pause")
    assert said.startswith("paused at 1h/s")
    assert "paused at 1h/s" in compose("exec", "-T", "producer", "rushhour", "status")
    assert compose("exec", "-T", "redis", "redis-cli", "HGET", "sim:clock", "state") == "paused\n"
    said = compose("exec", "-T", "producer", "rushhour", "resume")
    assert said.startswith(("running at 1h/s", "throttled at 1h/s"))

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
    wait_until(lambda: scraped() >= jobs, "Prometheus has found every part", 60.0)


def test_a_knob_that_cannot_be_used_is_told_before_anything_starts(compose: Compose) -> None:
    compose("--profile", "*", "down", "-v")
    compose("up", "-d", check=False, SPEED="fast")
    said = compose("logs", "--no-log-prefix", "prepare").splitlines()[-1]
    assert "rushhour: speed 'fast' is not a speed" in said
    assert compose("ps", "-q", "producer", "dataflow", "consumer") == ""


def test_down_leaves_nothing(compose: Compose) -> None:
    assert compose.left() != []
    compose("--profile", "*", "down", "-v")
    assert compose.left() == []
