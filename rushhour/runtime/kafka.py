"""How every process connects to Kafka: the settings of all clients."""

import logging
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from typing import Any

import confluent_kafka as ck
from confluent_kafka.admin import AdminClient
from confluent_kafka.admin._config import ConfigResource
from confluent_kafka.cimpl import NewTopic

from rushhour.core.errors import KafkaFailure
from rushhour.core.kafka_cluster import KafkaCluster
from rushhour.core.topics import TOPICS
from rushhour.runtime.failpoints import limit
from rushhour.runtime.kafka_watch import KafkaWatch, WatchedConsumer
from rushhour.runtime.monitor import Health

_METADATA_TIMEOUT_S = 10.0
_CREATE_TIMEOUT_S = 30.0
_SOCKET_TIMEOUT_S = 10.0
_QUEUE_FULL_WAIT_S = 0.01
_FLUSH_WAIT_S = 1.0

# Of every topic that is created: messages stay until somebody deletes them.
_KEEP_ALL = {"retention.ms": "-1", "retention.bytes": "-1", "cleanup.policy": "delete"}

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

# Errors of a partition that does not hold an offset any more, or not yet.
_GONE = frozenset({ck.KafkaError._AUTO_OFFSET_RESET, ck.KafkaError.OFFSET_OUT_OF_RANGE})

_log = logging.getLogger(__name__)

Offsets = dict[str, dict[int, int]]  # topic -> partition -> offset


def producer_config(cluster: KafkaCluster) -> dict[str, Any]:
    """Return the settings of every producer: idempotent, batched; a message never expires.

    Only failed deliveries are reported: a report per message would cost more than the message.
    """
    defaults = {
        "linger.ms": 1,
        "batch.num.messages": 20_000,
        "batch.size": 900_000,
        "queue.buffering.max.messages": 1_000_000,
        "queue.buffering.max.kbytes": 256 * 1024,
    }
    return _client_config(
        cluster,
        defaults,
        {
            "enable.idempotence": True,
            "message.timeout.ms": 0,  # infinite: what follows a lost message would be delivered
            "delivery.report.only.error": True,
        },
    )


def consumer_config(cluster: KafkaCluster) -> dict[str, Any]:
    """Return the settings of every consumer: explicit offsets, and a gap is an error."""
    defaults = {
        "group.id": "rushhour",  # the client requires one; no group is joined
        # An idle stream answers within 3 ms instead of 500, because the closed loop waits for it;
        # a full local queue is polled again after 5 ms instead of a second.
        "fetch.wait.max.ms": 3,
        "fetch.queue.backoff.ms": 5,
        "queued.max.messages.kbytes": 16 * 1024,
    }
    return _client_config(
        cluster,
        defaults,
        {
            "enable.auto.commit": False,
            "enable.auto.offset.store": False,
            "auto.offset.reset": "error",
        },
    )


def _client_config(
    cluster: KafkaCluster, defaults: Mapping[str, Any], required: Mapping[str, Any]
) -> dict[str, Any]:
    """Return the settings of a client: those of the cluster replace defaults."""
    common: dict[str, Any] = {
        # A broker that takes requests and does not answer is given up after this time. With the
        # 60 s of the library, one that hangs would be noticed after a minute.
        "socket.timeout.ms": int(limit("kafka.socket.seconds", _SOCKET_TIMEOUT_S) * 1000),
        "reconnect.backoff.max.ms": 1000,
        "log_level": 2,  # only critical messages on stderr: errors are reported once, by us
    }
    return {
        **common,
        **defaults,
        **cluster.conf,
        **required,
        "bootstrap.servers": cluster.bootstrap,
    }


def ensure_topics(cluster: KafkaCluster, partitions: int) -> None:
    """Create the topics that do not exist yet, so that Kafka never deletes their messages.

    Existing topics keep their partitions. A warning is logged for those that lose messages after a
    time: a dataflow without its recovery store begins at the first trip of the run.

    Raises
    ------
    KafkaFailure
        If the cluster does not answer or refuses.
    """
    with kafka_failures(cluster) as errors:
        admin = AdminClient(_client_config(cluster, {}, {}) | {"error_cb": errors})
        try:
            _create_missing(admin, cluster, partitions)
        finally:
            admin.poll(0)


def _create_missing(admin: AdminClient, cluster: KafkaCluster, partitions: int) -> None:
    existing = admin.list_topics(timeout=_METADATA_TIMEOUT_S).topics
    wanted = {cluster.topic(topic) for topic in TOPICS}
    _warn_of_retention(admin, cluster, sorted(wanted & existing.keys()))
    missing = [
        NewTopic(topic, partitions, config=dict(_KEEP_ALL))
        for topic in sorted(wanted - existing.keys())
    ]
    if not missing:
        return
    created = admin.create_topics(
        missing, operation_timeout=_CREATE_TIMEOUT_S, request_timeout=_CREATE_TIMEOUT_S
    )
    for future in created.values():
        future.result()
    # A broker learns of new topics from the controller, with a delay.
    deadline = time.monotonic() + _CREATE_TIMEOUT_S
    while not admin.list_topics(timeout=_METADATA_TIMEOUT_S).topics.keys() >= wanted:
        if time.monotonic() > deadline:
            raise KafkaFailure(f"Kafka at {cluster}: the topics it created are unknown to it")
        time.sleep(0.1)


def _warn_of_retention(admin: AdminClient, cluster: KafkaCluster, topics: Sequence[str]) -> None:
    """Log a line if any of the topics loses messages by itself; nothing if Kafka does not say."""
    if not topics:
        return
    resources = [ConfigResource(ConfigResource.Type.TOPIC, topic) for topic in topics]
    found: list[str] = []
    for resource, future in admin.describe_configs(resources).items():
        with suppress(ck.KafkaException):  # a client may be allowed to write and not to describe
            config = future.result()
            wrong = [
                f"{name}={config[name].value}"
                for name, value in _KEEP_ALL.items()
                if name in config and config[name].value != value
            ]
            if wrong:
                found.append(f"'{resource.name}' ({', '.join(wrong)})")
    if found:
        _log.warning(
            "Kafka at %s deletes messages of %s: a run must end before that: set retention.ms=-1, "
            "retention.bytes=-1 and cleanup.policy=delete",
            cluster,
            ", ".join(found),
        )


def end_offsets(cluster: KafkaCluster, topics: Iterable[str]) -> Offsets:
    """Return the offset after the last message of each partition of each topic.

    Raises
    ------
    KafkaFailure
        If the cluster does not answer or lacks a topic.
    """
    ranges = offset_ranges(cluster, topics)
    for topic, by_partition in ranges.items():
        if not by_partition:
            raise KafkaFailure(f"Kafka at {cluster}: topic '{cluster.topic(topic)}' does not exist")
    return {
        topic: {partition: held.stop for partition, held in by_partition.items()}
        for topic, by_partition in ranges.items()
    }


def offset_ranges(cluster: KafkaCluster, topics: Iterable[str]) -> dict[str, dict[int, range]]:
    """Return the offsets that each partition of each topic holds; a missing topic has none.

    Raises
    ------
    KafkaFailure
        If the cluster does not answer.
    """
    with kafka_failures(cluster) as errors:
        consumer = ck.Consumer(consumer_config(cluster) | {"error_cb": errors})
        try:
            return {topic: _offset_ranges(consumer, cluster, topic) for topic in topics}
        finally:
            consumer.poll(0)
            consumer.close()


def _offset_ranges(consumer: ck.Consumer, cluster: KafkaCluster, topic: str) -> dict[int, range]:
    name = cluster.topic(topic)
    metadata = consumer.list_topics(name, timeout=_METADATA_TIMEOUT_S).topics[name]
    if metadata.error is not None:
        if metadata.error.code() == ck.KafkaError.UNKNOWN_TOPIC_OR_PART:
            return {}
        raise KafkaFailure(f"Kafka at {cluster}: topic '{name}': {metadata.error.str()}")
    return {
        partition: _offset_range(consumer, name, partition)
        for partition in sorted(metadata.partitions)
    }


def _offset_range(consumer: ck.Consumer, topic: str, partition: int) -> range:
    deadline = time.monotonic() + _METADATA_TIMEOUT_S
    while True:
        try:
            first, end = consumer.get_watermark_offsets(
                ck.TopicPartition(topic, partition), timeout=_METADATA_TIMEOUT_S
            )
            return range(first, end)
        except ck.KafkaException as error:
            if error.args[0].code() not in _NO_LEADER_YET or time.monotonic() > deadline:
                raise
            time.sleep(0.1)


def assigned_consumer(
    cluster: KafkaCluster,
    offsets: Mapping[str, Mapping[int, int]],
    health: Health | None = None,
) -> WatchedConsumer:
    """Return a consumer that reads the given partitions from the given offsets.

    Whether Kafka answers it goes to `health`.

    Raises
    ------
    KafkaFailure
        If Kafka cannot be reached with these settings at all.
    """
    with kafka_failures(cluster):
        watch = KafkaWatch(cluster, health or Health())
        consumer = WatchedConsumer(consumer_config(cluster), watch)
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
            advice = (
                ": Kafka does not hold what this run needs next: restore its data, or start over "
                "with `rushhour prepare --new`"
                if error.code() in _GONE
                else ""
            )
            raise KafkaFailure(f"{message_position(message)}: {error.str()}{advice}")


def next_offset(messages: Sequence[ck.Message]) -> int:
    """Return the offset after a batch of messages of one partition."""
    return (messages[-1].offset() or 0) + 1


def message_position(message: ck.Message) -> str:
    """Return topic, partition and offset of a message, for an error message."""
    return f"topic '{message.topic()}' partition {message.partition()} offset {message.offset()}"


@contextmanager
def kafka_failures(cluster: KafkaCluster) -> Iterator["LastError"]:
    """Turn a failure of the Kafka client into one line for the user.

    Yields an `error_cb` for a client: its last error says more than a time that is up. The block
    polls the client at its end, because the client calls it only then.

    Raises
    ------
    KafkaFailure
        If the block raises an error of the client.
    """
    errors = LastError()
    try:
        yield errors
    except ck.KafkaException as failure:
        error = failure.args[0]
        text = error.str()
        if error.code() in _UNREACHABLE:
            reason = f" ({errors.text})" if errors.text else ""
            text += f"{reason}: check the address and that a broker runs there"
        elif error.code() == ck.KafkaError._INVALID_ARG and cluster.conf:
            text += ": check the variables RUSHHOUR_KAFKA_CONF__*"
        raise KafkaFailure(f"Kafka at {cluster}: {text}") from failure


class LastError:
    """An `error_cb` that keeps the last error that says something."""

    text = ""

    def __call__(self, error: ck.KafkaError) -> None:
        """Keep an error."""
        if error.code() != ck.KafkaError._ALL_BROKERS_DOWN:
            self.text = error.str()


class BatchProducer:
    """Sends batches of messages; a message waits for Kafka as long as it takes.

    A failed delivery raises on the next call. While the process waits for something else, the
    heartbeats of `health` poll the producer, so that a failure is heard of.

    Raises
    ------
    KafkaFailure
        If Kafka cannot be reached with these settings at all.
    """

    def __init__(self, cluster: KafkaCluster, health: Health | None = None) -> None:
        self._cluster = cluster
        self._health = health or Health()
        self._watch = KafkaWatch(cluster, self._health)
        self._on_delivery = _DeliveryReports(self._watch)
        with kafka_failures(cluster):
            self._producer = ck.Producer(producer_config(cluster) | self._watch.callbacks())
        self._health.poll_with_beats(self)

    def send(self, topic: str, partition: int, messages: list[dict[str, Any]]) -> None:
        """Queue messages ({"key": ..., "value": ...}) for one partition, in order.

        Blocks while the queue of the client is full.

        Raises
        ------
        KafkaFailure
            If Kafka has no such partition, a message is refused, or an earlier one could not be
            delivered.
        """
        name = self._cluster.topic(topic)
        rest = messages
        while rest:
            with kafka_failures(self._cluster):
                queued = self._producer.produce_batch(
                    name, rest, partition=partition, on_delivery=self._on_delivery
                )
            rest = rest[queued:]
            for message in rest:  # the first is refused, or all wait for space in the queue
                error = message.pop("_error", None)
                if error is not None and error.code() != ck.KafkaError._QUEUE_FULL:
                    raise KafkaFailure(
                        f"Kafka at {self._cluster}: topic '{name}' partition {partition}: "
                        f"{error.str()}"
                    )
            self._poll(_QUEUE_FULL_WAIT_S if rest else 0.0)
            if rest:
                self._health.beat()

    def poll(self) -> None:
        """Hear of deliveries and of the state of Kafka, without waiting.

        Raises
        ------
        KafkaFailure
            If a message could not be delivered.
        """
        self._poll(0.0)

    def flush(self) -> None:
        """Wait until every queued message is on the broker, as long as it takes.

        Raises
        ------
        KafkaFailure
            If a message could not be delivered.
        """
        waiting = True
        while waiting:
            with kafka_failures(self._cluster):
                waiting = self._producer.flush(_FLUSH_WAIT_S) > 0
            self._raise_failure()
            if waiting:
                self._health.beat()

    def _poll(self, seconds: float) -> None:
        with kafka_failures(self._cluster):
            self._producer.poll(seconds)
        self._raise_failure()

    def _raise_failure(self) -> None:
        if self._watch.failure is not None:
            raise KafkaFailure(self._watch.failure)


class _DeliveryReports:
    """Hears of failed deliveries. Does not know the producer: it ends with its last reference."""

    def __init__(self, watch: KafkaWatch) -> None:
        self._watch = watch

    def __call__(self, error: ck.KafkaError | None, message: ck.Message) -> None:
        if error is not None:
            self._watch.failure = f"{message_position(message)}: not delivered: {error.str()}"
