"""What the producer does when Kafka refuses a message, hangs, or is not there."""

import logging
import os
import signal
import threading
import time
from collections.abc import Callable
from pathlib import Path

import confluent_kafka as ck
import pytest

from rushhour.core.errors import KafkaFailure
from rushhour.core.kafka_cluster import KafkaCluster
from rushhour.core.topics import TRIPS, Message
from rushhour.runtime import batch_producer
from rushhour.runtime.batch_producer import BatchProducer
from rushhour.runtime.kafka import producer_config
from rushhour.runtime.kafka_topics import end_offsets
from rushhour.runtime.monitor import Health
from rushhour.simulator.stack.child_process import ChildProcess
from rushhour.simulator.stack.ports import free_ports
from tests.fixtures.kafka_messages import read_messages
from tests.fixtures.waiting import wait_until

HANG_S = 6.0  # several times the timeout that the tests set


def messages(*values: bytes) -> list[Message]:
    return [(b"k", value) for value in values]


@pytest.fixture
def settings_of_clients(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """A function that changes settings of every producer."""

    def change(**changes: object) -> None:
        config = producer_config  # before it is replaced
        renamed = {name.replace("_", "."): value for name, value in changes.items()}
        monkeypatch.setattr(
            batch_producer, "producer_config", lambda cluster: config(cluster) | renamed
        )

    return change


@pytest.mark.also_on_kafka
def test_an_unknown_partition_is_an_error_at_once(broker: str) -> None:
    producer = BatchProducer(KafkaCluster(broker))
    producer.send(TRIPS, 0, messages(b"a"))
    producer.flush()  # it knows the partitions now
    with pytest.raises(
        KafkaFailure, match=rf"^Kafka at {broker}: topic 'trips' partition 99: .*Unknown partition$"
    ):
        producer.send(TRIPS, 99, messages(b"b", b"c"))


@pytest.mark.also_on_kafka
def test_an_unknown_partition_of_a_topic_not_known_yet_is_an_error(broker: str) -> None:
    producer = BatchProducer(KafkaCluster(broker))
    with pytest.raises(KafkaFailure, match=r"topic 'trips' partition 99.*Unknown partition"):
        producer.send(TRIPS, 99, messages(b"a"))
        producer.flush()


@pytest.mark.also_on_kafka
def test_a_message_that_is_too_large_is_an_error(broker: str) -> None:
    producer = BatchProducer(KafkaCluster(broker))
    with pytest.raises(KafkaFailure, match=r"topic 'trips' partition 0: .*too large"):
        producer.send(TRIPS, 0, messages(b"a", b"x" * 2_000_000))


def test_a_refused_message_between_others_is_an_error_too(broker: str) -> None:
    producer = BatchProducer(KafkaCluster(broker))
    with pytest.raises(KafkaFailure, match=r"topic 'trips' partition 0: .*too large"):
        producer.send(TRIPS, 0, messages(b"a", b"x" * 2_000_000, b"c"))


def test_a_message_waits_for_room_in_the_queue(
    settings_of_clients: Callable[..., None], broker: str
) -> None:
    settings_of_clients(queue_buffering_max_messages=10)
    cluster, values = KafkaCluster(broker), [b"%d" % i for i in range(1_000)]
    producer = BatchProducer(cluster)
    producer.send(TRIPS, 0, messages(*values))
    producer.flush()
    found = read_messages(cluster, {TRIPS: {0: 0}}, len(values))
    assert [message.value() for message in found] == values


def test_a_failed_delivery_is_heard_of_while_the_process_waits(
    settings_of_clients: Callable[..., None],
) -> None:
    """As the replay does, when it is throttled: it sends nothing, and its loop goes on."""
    settings_of_clients(message_timeout_ms=300)
    health = Health()
    producer = BatchProducer(KafkaCluster(f"127.0.0.1:{free_ports(1)[0]}"), health)
    producer.send(TRIPS, 0, messages(b"a"))

    def beat() -> bool:
        health.beat()
        return False

    with pytest.raises(KafkaFailure, match="not delivered: Local: Message timed out"):
        wait_until(beat, "the failure is heard of")


def test_a_fatal_error_of_the_client_is_one_line() -> None:
    producer = BatchProducer(KafkaCluster("127.0.0.1:1"))

    class Broken:
        def poll(self, _seconds: float) -> None:
            raise ck.KafkaException(ck.KafkaError(ck.KafkaError._FATAL, "lost its sequence", True))

    producer._producer = Broken()  # type: ignore[assignment]
    with pytest.raises(KafkaFailure, match=r"^Kafka at 127.0.0.1:1: lost its sequence$"):
        producer.poll()


def test_messages_wait_for_a_broker_that_hangs_and_the_process_says_so(
    settings_of_clients: Callable[..., None], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """It hangs for longer than every timeout. The embedded broker may then have some twice."""
    caplog.set_level(logging.INFO)
    settings_of_clients(socket_timeout_ms=1_000, api_version_request_timeout_ms=1_000)
    server = ChildProcess.python(
        "broker", "rushhour.simulator.stack.broker", tmp_path / "broker.log", {}
    )
    address = wait_until(lambda: server.log.read_text("utf-8").strip(), "the broker is up")
    cluster, health = KafkaCluster(address), Health()
    producer = BatchProducer(cluster, health)
    values = [b"%d" % i for i in range(5_000)]
    producer.send(TRIPS, 0, messages(*values[:1_000]))
    producer.flush()
    os.kill(server.pid, signal.SIGSTOP)
    began = time.monotonic()
    threading.Timer(HANG_S, os.kill, (server.pid, signal.SIGCONT)).start()
    try:
        producer.send(TRIPS, 0, messages(*values[1_000:]))
        producer.flush()
        assert time.monotonic() - began >= HANG_S
        assert not health.is_starting()  # it had heartbeats while it waited

        def is_back() -> bool:
            health.beat()
            return len(caplog.messages) == 2

        wait_until(is_back, "the log says that Kafka is back")
        sent = end_offsets(cluster, [TRIPS])[TRIPS][0]
        found = [m.value() for m in read_messages(cluster, {TRIPS: {0: 0}}, sent)]
    finally:
        server.stop()
    assert list(dict.fromkeys(found)) == values
    assert caplog.messages[0].startswith(f"Kafka at {address} does not answer, waiting for it")
    assert caplog.messages[1].startswith(f"Kafka at {address} is back after ")


def test_two_prefixes_are_two_sets_of_topics_on_one_broker(broker: str) -> None:
    clusters = [KafkaCluster(broker, topic_prefix=prefix) for prefix in ("ann.", "bob.")]
    for cluster, values in zip(clusters, ([b"a"], [b"b", b"c"]), strict=True):
        producer = BatchProducer(cluster)
        producer.send(TRIPS, 1, messages(*values))
        producer.flush()
    assert [end_offsets(cluster, [TRIPS])[TRIPS][1] for cluster in clusters] == [1, 2]
    assert end_offsets(KafkaCluster(broker), [TRIPS])[TRIPS][1] == 0
    (own,) = read_messages(clusters[0], {TRIPS: {1: 0}}, 1)
    assert (own.topic(), own.value()) == ("ann.trips", b"a")
