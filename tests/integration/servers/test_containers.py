"""The pipeline against the Kafka and the Redis of docker-compose.yml, started by testcontainers."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from testcontainers.community.redis import RedisContainer
from testcontainers.core.container import DockerContainer
from testcontainers.core.wait_strategies import PortWaitStrategy

from rushhour.runtime.redis_client import connect
from rushhour.simulator.stack.ports import HOST, free_ports
from rushhour.simulator.stack.redis_server import EmbeddedRedis
from tests.fixtures.command import Rushhour
from tests.fixtures.redis_server import contents
from tests.fixtures.trips import TripRow, write_trips

Run = Callable[..., dict[str, object]]

SERVICES: dict[str, Any] = yaml.safe_load(
    (Path(__file__).parents[3] / "docker-compose.yml").read_text(encoding="utf-8")
)["services"]
HOST_LISTENER = 19092  # the port of the broker's listener for clients on the host


@pytest.fixture(scope="module")
def kafka(docker_engine: None) -> Iterator[str]:
    """The address of the broker of the compose file."""
    (port,) = free_ports(1)
    service = SERVICES["kafka"]
    settings = {name: str(value) for name, value in service["environment"].items()}
    settings["KAFKA_ADVERTISED_LISTENERS"] = f"PLAINTEXT://localhost:9092,HOST://{HOST}:{port}"
    container = (
        DockerContainer(service["image"])
        .with_envs(**settings)
        .with_bind_ports(HOST_LISTENER, port)
        .waiting_for(PortWaitStrategy(HOST_LISTENER))
    )
    with container:
        yield f"{HOST}:{port}"


@pytest.fixture(scope="module")
def redis_url(docker_engine: None) -> Iterator[str]:
    """The URL of the Redis of the compose file."""
    service = SERVICES["redis"]
    with RedisContainer(service["image"]).with_command(service["command"]) as container:
        host, port = container.get_container_host_ip(), container.get_exposed_port(6379)
        yield f"redis://{host}:{port}"


@pytest.fixture
def run(rushhour: Rushhour, tmp_path: Path) -> Run:
    """A function that replays a day of trips and returns what Redis then holds."""
    rows: list[TripRow] = [
        (f"2024-10-01 {hour:02}:{minute:02}:00", 1 + (hour * 7 + minute) % 265)
        for hour in range(24)
        for minute in range(0, 60, 3)
    ]
    file = write_trips(tmp_path / "green_tripdata_2024-10.parquet", rows)
    day = ("--dataset", "green", "--data", file, "--until", "2024-10-01", "--speed", "max")

    def replay(url: str, *flags: str) -> dict[str, object]:
        ended = rushhour("up", *day, "-q", "--redis", url, *flags)
        assert (ended.code, ended.stderr) == (0, "")
        return contents(connect(url))

    return replay


def test_a_run_on_containers_equals_one_on_the_embedded_stack(
    run: Run, kafka: str, redis_url: str, redis_server: EmbeddedRedis
) -> None:
    embedded = run(redis_server.url)
    assert run(redis_url, "--kafka", kafka) == embedded
    again = run(redis_url, "--kafka", kafka, "--dataflows", "2", "--consumers", "2")
    assert again == embedded
