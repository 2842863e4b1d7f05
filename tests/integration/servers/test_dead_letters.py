"""Rejected records on the topic `dead_letters`: as they were, with where and why."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager

import confluent_kafka as ck
import pytest
import redis
from prometheus_client import REGISTRY

from rushhour.core.kafka_cluster import KafkaCluster
from rushhour.core.topics import DEAD_LETTERS, TRIPS
from rushhour.runtime import dead_letters
from rushhour.runtime.batch_producer import BatchProducer
from rushhour.runtime.dead_letters import DeadLetter, DeadLetters
from rushhour.storage.skips import RecordPosition, add_skip, load_skips
from tests.fixtures.kafka_messages import read_messages


def read_one(bootstrap: str, topic: str, partition: int) -> ck.Message:
    return read_messages(KafkaCluster(bootstrap), {topic: {partition: 0}}, 1)[0]


@contextmanager
def rejecting(bootstrap: str, partitions: int = 4) -> Iterator[DeadLetters]:
    letters = DeadLetters(KafkaCluster(bootstrap), partitions, "0123456789ab", "dataflow-0")
    yield letters
    letters.close()


def metric(name: str, **labels: str) -> float:
    return REGISTRY.get_sample_value(name, labels) or 0.0


@pytest.mark.also_on_kafka
@pytest.mark.parametrize(("value", "key"), [(b"\xff{not json", b"132"), (None, None)])
def test_a_rejected_record_is_copied_as_it_was_with_where_and_why(
    broker: str, value: bytes | None, key: bytes | None, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING)
    before = metric("rushhour_dead_letters_total", topic=TRIPS, reason="undecodable")
    producer = BatchProducer(KafkaCluster(broker))
    producer.send(TRIPS, 3, [(key, value)])
    producer.flush()
    record = read_one(broker, TRIPS, 3)

    with rejecting(broker) as letters:
        letters.add(record, "undecodable", "JSON is malformed")

    copy = read_one(broker, DEAD_LETTERS, 3)
    assert (copy.key(), copy.value()) == (key, value)
    assert DeadLetter.from_headers(copy.headers()) == DeadLetter(
        topic=TRIPS,
        partition=3,
        offset=0,
        timestamp=record.timestamp()[1],
        reason="undecodable",
        detail="JSON is malformed",
        run_id="0123456789ab",
        process="dataflow-0",
    )
    after = metric("rushhour_dead_letters_total", topic=TRIPS, reason="undecodable")
    assert after == before + 1
    (line,) = [each.getMessage() for each in caplog.records]
    assert "topic 'trips' partition 3 offset 0: undecodable (JSON is malformed)" in line
    assert "rushhour dead-letters" in line


def test_a_copy_goes_to_a_partition_that_the_topic_has(broker: str) -> None:
    producer = BatchProducer(KafkaCluster(broker))
    producer.send(TRIPS, 3, [(None, b"x")])
    producer.flush()

    with rejecting(broker, partitions=2) as letters:
        letters.add(read_one(broker, TRIPS, 3), "out_of_bounds")

    assert read_one(broker, DEAD_LETTERS, 1).value() == b"x"


def test_without_kafka_nothing_waits_or_raises(
    broker: str, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    producer = BatchProducer(KafkaCluster(broker))
    producer.send(TRIPS, 0, [(None, b"x")])
    producer.flush()
    record = read_one(broker, TRIPS, 0)
    monkeypatch.setattr(dead_letters, "_CLOSE_S", 0.2)
    monkeypatch.setitem(dead_letters._QUEUE, "queue.buffering.max.messages", 2)
    before = metric("rushhour_dead_letters_not_copied_total")

    with rejecting("127.0.0.1:1") as letters:
        for _ in range(5):
            letters.add(record, "undecodable")

    assert metric("rushhour_dead_letters_not_copied_total") == before + 5
    assert "2 rejected records were not copied" in caplog.text


def test_a_flood_of_rejected_records_is_counted_but_not_all_logged(
    broker: str, caplog: pytest.LogCaptureFixture
) -> None:
    producer = BatchProducer(KafkaCluster(broker))
    producer.send(TRIPS, 0, [(None, b"x")])
    producer.flush()
    record = read_one(broker, TRIPS, 0)
    before = metric("rushhour_dead_letters_total", topic=TRIPS, reason="skipped")

    with rejecting(broker) as letters:
        for _ in range(300):
            letters.add(record, "skipped")

    assert metric("rushhour_dead_letters_total", topic=TRIPS, reason="skipped") == before + 300
    assert len(caplog.records) == 101


@pytest.mark.parametrize("headers", [None, [], [("topic", b"trips")], [("topic", None)]])
def test_other_headers_are_not_those_of_a_dead_letter(headers: object) -> None:
    assert DeadLetter.from_headers(headers) is None


def test_records_to_pass_over_are_kept_in_redis(client: redis.Redis) -> None:
    assert load_skips(client) == {}

    add_skip(client, RecordPosition("trips", 2, 17))

    ((position, moment),) = load_skips(client).items()
    assert position == RecordPosition("trips", 2, 17)
    assert moment.endswith("Z")
