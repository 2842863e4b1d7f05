"""How every process connects to Kafka: the settings of all clients."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import confluent_kafka as ck

from rushhour.core.errors import KafkaFailure
from rushhour.core.kafka_cluster import KafkaCluster
from rushhour.runtime.failpoints import limit
from rushhour.runtime.kafka_watch import KafkaWatch, WatchedConsumer
from rushhour.runtime.monitor import Health
from rushhour.runtime.profile import traffic

_SOCKET_TIMEOUT_S = 10.0

_UNREACHABLE = frozenset({ck.KafkaError._TRANSPORT, ck.KafkaError._TIMED_OUT})

# Errors of a partition that does not hold an offset any more, or not yet.
_GONE = frozenset({ck.KafkaError._AUTO_OFFSET_RESET, ck.KafkaError.OFFSET_OUT_OF_RANGE})


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
    return client_config(
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
        "fetch.queue.backoff.ms": 5,  # instead of a second, after a full local queue
        "queued.max.messages.kbytes": 16 * 1024,
    }
    return client_config(
        cluster,
        defaults,
        {
            "enable.auto.commit": False,
            "enable.auto.offset.store": False,
            "auto.offset.reset": "error",
        },
    )


def client_config(
    cluster: KafkaCluster, defaults: Mapping[str, Any], required: Mapping[str, Any]
) -> dict[str, Any]:
    """Return the settings of a client.

    Parameters
    ----------
    defaults
        What the properties of the cluster may replace.
    required
        What they may not.
    """
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
    """Count the messages of a polled batch; raise if it holds an error instead of one.

    Raises
    ------
    KafkaFailure
        Names topic, partition, offset and the error of Kafka. Raised for a gap as well (an offset
        that the broker no longer has), because `auto.offset.reset` is `error`.
    """
    traffic.count(received=len(messages))
    if not any(map(ck.Message.error, messages)):  # an error is true
        return
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
