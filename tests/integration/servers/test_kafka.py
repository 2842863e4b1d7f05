"""Batches through a real broker: order, offsets, gaps, and invalid messages."""

import time
from collections.abc import Mapping
from concurrent.futures import Future
from types import SimpleNamespace
from typing import Any

import confluent_kafka as ck
import pytest

from rushhour.core.errors import KafkaFailure
from rushhour.core.kafka_cluster import KafkaCluster
from rushhour.core.topics import HOURLY_RIDES, TOPICS, TRIPS, Message
from rushhour.runtime import batch_producer, kafka_topics
from rushhour.runtime.batch_producer import BatchProducer
from rushhour.runtime.kafka import check_messages, next_offset, producer_config
from rushhour.runtime.kafka_topics import end_offsets, ensure_topics
from rushhour.simulator.stack.ports import free_ports
from tests.fixtures.kafka_messages import read_messages

START = 1_727_740_800_000  # 2024-10-01 00:00
HOUR = 3_600_000


def messages(*values: bytes) -> list[Message]:
    return [(b"k", value) for value in values]


def send(bootstrap: str, topic: str, partition: int, batch: list[Message]) -> None:
    producer = BatchProducer(KafkaCluster(bootstrap))
    producer.send(topic, partition, batch)
    producer.flush()


def read(bootstrap: str, offsets: Mapping[str, Mapping[int, int]], count: int) -> list[ck.Message]:
    """Read at least `count` messages."""
    return read_messages(KafkaCluster(bootstrap), offsets, count)


@pytest.mark.also_on_kafka
def test_messages_of_a_partition_are_read_in_order_with_consecutive_offsets(broker: str) -> None:
    producer = BatchProducer(KafkaCluster(broker))
    for block in range(5):
        for partition in (0, 3):
            values = [b"%d/%d" % (partition, block * 100 + i) for i in range(100)]
            producer.send(TRIPS, partition, messages(*values))
    producer.flush()

    found = read(broker, {TRIPS: {0: 0, 3: 0}}, 1_000)

    check_messages(found)
    assert len(found) == 1_000
    for partition in (0, 3):
        own = [message for message in found if message.partition() == partition]
        assert [m.value() for m in own] == [b"%d/%d" % (partition, i) for i in range(500)]
        assert [m.offset() for m in own] == list(range(500))
        assert {m.key() for m in own} == {b"k"}
        assert next_offset(own) == 500


@pytest.mark.also_on_kafka
def test_a_batch_larger_than_the_queue_of_the_client_arrives_completely(
    broker: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = producer_config
    monkeypatch.setattr(
        batch_producer,
        "producer_config",
        lambda bootstrap: config(bootstrap) | {"queue.buffering.max.messages": 50},
    )
    values = [b"%d" % i for i in range(2_000)]

    send(broker, TRIPS, 1, messages(*values))

    found = read(broker, {TRIPS: {1: 0}}, 2_000)
    assert [message.value() for message in found] == values


@pytest.mark.also_on_kafka
def test_a_consumer_starts_at_its_offset(broker: str) -> None:
    send(broker, HOURLY_RIDES, 2, messages(b"a", b"b", b"c", b"d"))

    found = read(broker, {HOURLY_RIDES: {2: 2}}, 2)

    assert [(m.offset(), m.value()) for m in found] == [(2, b"c"), (3, b"d")]


@pytest.mark.also_on_kafka
def test_end_offsets_lie_after_the_last_message_of_each_partition(broker: str) -> None:
    assert end_offsets(KafkaCluster(broker), TOPICS) == {
        topic: dict.fromkeys(range(4), 0) for topic in TOPICS
    }

    send(broker, TRIPS, 1, messages(b"a", b"b", b"c"))
    send(broker, HOURLY_RIDES, 3, messages(b"a"))

    assert end_offsets(KafkaCluster(broker), (TRIPS, HOURLY_RIDES)) == {
        TRIPS: {0: 0, 1: 3, 2: 0, 3: 0},
        HOURLY_RIDES: {0: 0, 1: 0, 2: 0, 3: 1},
    }


@pytest.mark.also_on_kafka
def test_a_missing_offset_is_an_error_and_not_a_restart(broker: str) -> None:
    send(broker, TRIPS, 0, messages(b"a", b"b"))

    found = read(broker, {TRIPS: {0: 10**6}}, 1)

    with pytest.raises(KafkaFailure, match=r"'trips' partition 0.*out of range.*: restore its"):
        check_messages(found)
    assert b"a" not in [message.value() for message in found if message.error() is None]


class LateAdmin:
    """A cluster whose broker learns of a new topic some requests after its creation."""

    def __init__(self, _config: Mapping[str, Any]) -> None:
        self.created: list[str] = []
        self.delay = 3

    def create_topics(self, topics: list[Any], **_: Any) -> dict[str, Future[None]]:
        done: Future[None] = Future()
        done.set_result(None)
        self.created = [topic.topic for topic in topics]
        return dict.fromkeys(self.created, done)

    def list_topics(self, **_: Any) -> SimpleNamespace:
        self.delay -= bool(self.created)
        return SimpleNamespace(topics=dict.fromkeys([] if self.delay > 0 else self.created))

    def poll(self, _seconds: float) -> None:
        """Hear nothing."""


def test_topics_are_created_once_the_broker_knows_them(monkeypatch: pytest.MonkeyPatch) -> None:
    admin = LateAdmin({})
    monkeypatch.setattr(kafka_topics, "AdminClient", lambda _: admin)

    ensure_topics(KafkaCluster("127.0.0.1:1"), 4)

    assert admin.created == sorted(TOPICS)
    assert admin.delay == 0


def test_an_unreachable_broker_is_an_error_in_bounded_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kafka_topics, "_METADATA_TIMEOUT_S", 0.5)
    bootstrap = f"127.0.0.1:{free_ports(1)[0]}"
    started = time.monotonic()

    with pytest.raises(KafkaFailure, match=f"^Kafka at {bootstrap}: "):
        end_offsets(KafkaCluster(bootstrap), TOPICS)

    assert time.monotonic() - started < 10.0


def test_an_undelivered_message_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    config = producer_config
    monkeypatch.setattr(
        batch_producer,
        "producer_config",
        lambda bootstrap: config(bootstrap) | {"message.timeout.ms": 300},
    )
    producer = BatchProducer(KafkaCluster(f"127.0.0.1:{free_ports(1)[0]}"))
    producer.send(TRIPS, 0, messages(b"a"))

    with pytest.raises(KafkaFailure, match=r"topic 'trips' partition 0.*not delivered"):
        producer.flush()
