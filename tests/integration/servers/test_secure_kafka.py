"""A Kafka that asks for TLS and a password (SASL_SSL), reached by settings alone."""

import time
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from rushhour.core.errors import KafkaFailure
from rushhour.core.kafka_cluster import KafkaCluster
from rushhour.core.topics import TOPICS
from rushhour.runtime import kafka_topics
from rushhour.runtime.kafka_topics import end_offsets, ensure_topics
from rushhour.runtime.redis_client import connect
from rushhour.simulator.stack.redis_server import EmbeddedRedis
from tests.fixtures.command import Rushhour
from tests.fixtures.kafka_server import KafkaServer
from tests.fixtures.redis_server import contents
from tests.fixtures.trips import TripRow, write_trips

pytestmark = pytest.mark.kafka

ROWS: list[TripRow] = [
    (f"2024-10-01 {hour:02}:{minute:02}:00", 1 + (hour * 7 + minute) % 265)
    for hour in range(24)
    for minute in range(0, 60, 3)
]


def variables(conf: Mapping[str, str]) -> dict[str, str]:
    """The environment that sets these properties of librdkafka."""
    return {
        f"RUSHHOUR_KAFKA_CONF__{name.replace('.', '_').upper()}": value
        for name, value in conf.items()
    }


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """No test waits long for a refusal."""
    monkeypatch.setattr(kafka_topics, "_METADATA_TIMEOUT_S", 5.0)
    yield


def test_a_run_over_tls_with_a_password_equals_one_without(
    secure_kafka: KafkaServer, rushhour: Rushhour, redis_server: EmbeddedRedis, tmp_path: Path
) -> None:
    file = write_trips(tmp_path / "green_tripdata_2024-10.parquet", ROWS)
    day = ("--dataset", "green", "--data", file, "--until", "2024-10-01", "--speed", "max")

    def replay(*flags: str, env: Mapping[str, str]) -> dict[str, object]:
        connect(redis_server.url).flushall()
        ended = rushhour(
            "up", *day, "-q", "--redis", redis_server.url, *flags, env=env, timeout=240.0
        )
        assert (ended.code, ended.stderr) == (0, "")
        return contents(connect(redis_server.url))

    expected = replay(env={})
    found = replay("--kafka", secure_kafka.bootstrap, env=variables(secure_kafka.conf))

    assert found == expected
    sent = end_offsets(secure_kafka.cluster, TOPICS)
    assert sum(sum(offsets.values()) for offsets in sent.values()) > len(ROWS)
    for path in rushhour.directory.rglob("*"):
        if path.is_file():
            assert secure_kafka.password.encode() not in path.read_bytes(), path


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"sasl.password": "wrong"}, "Authentication failed"),
        ({"ssl.ca.location": "/etc/ssl/certs/ca-certificates.crt"}, "certificate verify failed"),
    ],
    ids=["password", "authority"],
)
@pytest.mark.usefixtures("quick")
def test_a_refusal_is_one_line_with_its_reason_in_bounded_time(
    secure_kafka: KafkaServer, changed: dict[str, str], reason: str
) -> None:
    cluster = KafkaCluster(secure_kafka.bootstrap, secure_kafka.conf | changed)
    started = time.monotonic()
    for action in (lambda: ensure_topics(cluster, 4), lambda: end_offsets(cluster, TOPICS)):
        with pytest.raises(KafkaFailure, match=reason) as caught:
            action()
        message = str(caught.value)
        assert message.startswith(f"Kafka at {secure_kafka.bootstrap}: ")
        assert "\n" not in message
        assert secure_kafka.password not in message
    assert time.monotonic() - started < 60.0
