"""How every process connects to Kafka: the settings of all clients."""

import time
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import confluent_kafka as ck
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from rushhour.core.errors import KafkaFailure
from rushhour.core.kafka_cluster import KafkaCluster
from rushhour.core.topics import TOPICS
from rushhour.runtime.failpoints import limit

_METADATA_TIMEOUT_S = 10.0
_CREATE_TIMEOUT_S = 30.0

# Errors of a broker for a topic that was created a moment ago.
_NO_LEADER_YET = frozenset(
    {
        ck.KafkaError.LEADER_NOT_AVAILABLE,
        ck.KafkaError.NOT_LEADER_FOR_PARTITION,
        ck.KafkaError.UNKNOWN_TOPIC_OR_PART,
        ck.KafkaError._UNKNOWN_PARTITION,
    }
)
_UNREACHABLE = frozenset({ck.KafkaError._TRANSPORT, ck.KafkaError._TIMED_OUT})

Offsets = dict[str, dict[int, int]]  # topic -> partition -> offset


def producer_config(cluster: KafkaCluster) -> dict[str, Any]:
    """Return the settings of every producer: idempotent, batched.

    Only failed deliveries are reported: a report per message would cost more than the message.
    """
    return _common(cluster) | {
        "enable.idempotence": True,
        "linger.ms": 1,
        "batch.num.messages": 20_000,
        "batch.size": 900_000,
        "queue.buffering.max.messages": 1_000_000,
        "queue.buffering.max.kbytes": 256 * 1024,
        "delivery.report.only.error": True,
    }


def consumer_config(cluster: KafkaCluster) -> dict[str, Any]:
    """Return the settings of every consumer: explicit offsets, and a gap is an error."""
    return _common(cluster) | {
        "group.id": "rushhour",  # the client requires one; no group is joined
        "enable.auto.commit": False,
        "enable.auto.offset.store": False,
        "auto.offset.reset": "error",
        # An idle stream answers within 3 ms instead of 500, because the closed loop waits for it;
        # a full local queue is polled again after 5 ms instead of a second.
        "fetch.wait.max.ms": 3,
        "fetch.queue.backoff.ms": 5,
        "queued.max.messages.kbytes": 16 * 1024,
    }


def ensure_topics(cluster: KafkaCluster, partitions: int) -> None:
    """Create the topics that do not exist yet; existing ones keep their partitions.

    Raises
    ------
    KafkaFailure
        If the cluster does not answer or refuses.
    """
    admin = AdminClient(_common(cluster))
    try:
        existing = admin.list_topics(timeout=_METADATA_TIMEOUT_S).topics
        wanted = {cluster.topic(topic) for topic in TOPICS}
        missing = [NewTopic(topic, partitions) for topic in sorted(wanted - existing.keys())]
        if not missing:
            return
        for future in admin.create_topics(missing, operation_timeout=_CREATE_TIMEOUT_S).values():
            future.result()
        # A broker learns of new topics from the controller, with a delay.
        deadline = time.monotonic() + _CREATE_TIMEOUT_S
        while not admin.list_topics(timeout=_METADATA_TIMEOUT_S).topics.keys() >= wanted:
            if time.monotonic() > deadline:
                raise KafkaFailure(f"Kafka at {cluster}: the topics it created are unknown to it")
            time.sleep(0.1)
    except ck.KafkaException as error:
        raise kafka_failure(cluster, error) from error


def end_offsets(cluster: KafkaCluster, topics: Iterable[str]) -> Offsets:
    """Return the offset after the last message of each partition of each topic.

    Raises
    ------
    KafkaFailure
        If the cluster does not answer or lacks a topic.
    """
    consumer = ck.Consumer(consumer_config(cluster))
    try:
        found: Offsets = {}
        for topic in topics:
            name = cluster.topic(topic)
            metadata = consumer.list_topics(name, timeout=_METADATA_TIMEOUT_S).topics[name]
            if metadata.error is not None:
                raise KafkaFailure(f"Kafka at {cluster}: topic '{name}': {metadata.error.str()}")
            found[topic] = {
                partition: _end_offset(consumer, name, partition)
                for partition in sorted(metadata.partitions)
            }
        return found
    except ck.KafkaException as error:
        raise kafka_failure(cluster, error) from error
    finally:
        consumer.close()


def _end_offset(consumer: ck.Consumer, topic: str, partition: int) -> int:
    deadline = time.monotonic() + _METADATA_TIMEOUT_S
    while True:
        try:
            marks = consumer.get_watermark_offsets(
                ck.TopicPartition(topic, partition), timeout=_METADATA_TIMEOUT_S
            )
            return int(marks[1])
        except ck.KafkaException as error:
            if error.args[0].code() not in _NO_LEADER_YET or time.monotonic() > deadline:
                raise
            time.sleep(0.1)


def assigned_consumer(
    cluster: KafkaCluster, offsets: Mapping[str, Mapping[int, int]]
) -> ck.Consumer:
    """Return a consumer that reads the given partitions from the given offsets."""
    consumer = ck.Consumer(consumer_config(cluster))
    consumer.assign(
        [
            ck.TopicPartition(cluster.topic(topic), partition, offset)
            for topic, by_partition in offsets.items()
            for partition, offset in by_partition.items()
        ]
    )
    return consumer


def check_messages(messages: Sequence[ck.Message]) -> None:
    """Raise if a polled batch holds an error instead of a message.

    Raises
    ------
    KafkaFailure
        Names topic, partition, offset and the error of Kafka. Raised for a gap as well (an offset
        that the broker no longer has), because `auto.offset.reset` is `error`.
    """
    for message in messages:
        error = message.error()
        if error is not None:
            raise KafkaFailure(f"{message_position(message)}: {error.str()}")


def next_offset(messages: Sequence[ck.Message]) -> int:
    """Return the offset after a batch of messages of one partition."""
    return (messages[-1].offset() or 0) + 1


def lag(consumer: ck.Consumer, topic: str, partition: int, offset: int) -> int:
    """Return how many messages a partition holds from `offset` on, as of the last fetch.

    `topic` is its name on the cluster.
    """
    marks = consumer.get_watermark_offsets(ck.TopicPartition(topic, partition), cached=True)
    return max(0, int(marks[1]) - offset)


def message_position(message: ck.Message) -> str:
    """Return topic, partition and offset of a message, for an error message."""
    return f"topic '{message.topic()}' partition {message.partition()} offset {message.offset()}"


def kafka_failure(cluster: KafkaCluster, error: ck.KafkaException) -> KafkaFailure:
    """Return an error of the Kafka client as one line for the user."""
    reason = error.args[0]
    hint = (
        ": check the address and that a broker runs there" if reason.code() in _UNREACHABLE else ""
    )
    return KafkaFailure(f"Kafka at {cluster}: {reason.str()}{hint}")


class BatchProducer:
    """Sends batches of messages; a failed delivery raises on the next call."""

    def __init__(self, cluster: KafkaCluster) -> None:
        self._cluster = cluster
        self._failure: str | None = None
        self._producer = ck.Producer(producer_config(cluster) | {"error_cb": self._on_error})

    def send(self, topic: str, partition: int, messages: list[dict[str, Any]]) -> None:
        """Queue messages ({"key": ..., "value": ...}) for one partition, in order.

        Blocks while the queue of the client is full.

        Raises
        ------
        KafkaFailure
            If an earlier message could not be delivered.
        """
        name = self._cluster.topic(topic)
        rest = messages
        while rest:
            queued = self._producer.produce_batch(
                name, rest, partition=partition, on_delivery=self._on_delivery
            )
            self._producer.poll(0 if queued == len(rest) else 0.01)
            self._raise_failure()
            rest = rest[queued:]
            for message in rest:
                message.pop("_error", None)

    def flush(self) -> None:
        """Wait until every queued message is on the broker.

        Raises
        ------
        KafkaFailure
            If a message could not be delivered.
        """
        while self._producer.flush(1.0):
            self._raise_failure()
        self._raise_failure()

    def _on_delivery(self, error: ck.KafkaError | None, message: ck.Message) -> None:
        if error is not None:
            self._failure = f"{message_position(message)}: not delivered: {error.str()}"

    def _on_error(self, error: ck.KafkaError) -> None:
        if error.fatal():
            self._failure = f"Kafka at {self._cluster}: {error.str()}"

    def _raise_failure(self) -> None:
        if self._failure is not None:
            raise KafkaFailure(self._failure)


def _common(cluster: KafkaCluster) -> dict[str, Any]:
    # Only critical messages on stderr: errors are raised, and reported once.
    socket_ms = int(limit("kafka.socket.seconds", 60.0) * 1000)
    ours = {
        "bootstrap.servers": cluster.bootstrap,
        "log_level": 2,
        "socket.timeout.ms": socket_ms,
    }
    return dict(cluster.conf) | ours
