"""Rejected records: copied to the topic `dead_letters`, counted, logged, and passed over.

A record is rejected if it cannot be one of the run's: it cannot be decoded, or lies outside of the
run. A copy is identified by `topic`, `partition` and `offset` in its headers: a process that is
restarted may send it again.
"""

import logging
import threading
import time
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass
from typing import Any, Literal

import confluent_kafka as ck
from prometheus_client import Counter

from rushhour.core.errors import KafkaFailure
from rushhour.core.kafka_cluster import KafkaCluster
from rushhour.core.submissions import SubmissionReason
from rushhour.core.topics import DEAD_LETTERS
from rushhour.runtime.kafka import (
    check_messages,
    consumer_config,
    message_position,
    producer_config,
)
from rushhour.runtime.kafka_topics import end_offsets

Reason = Literal["undecodable", "out_of_bounds", "wrong_partition", "skipped"] | SubmissionReason

REJECTED = Counter("rushhour_dead_letters", "Records rejected and passed over", ["topic", "reason"])
NOT_COPIED = Counter(
    "rushhour_dead_letters_not_copied",
    "Rejected records whose copy did not reach the topic dead_letters",
)

_LOGGED = 100  # records of one reason that are logged; the rest are counted and copied
_CLOSE_S = 2.0
_READ_S = 30.0
_MAX_DETAIL = 500  # characters
# Copies wait for Kafka in memory of their own. What exceeds it is not copied: nothing waits.
_QUEUE = {
    "enable.idempotence": False,
    "queue.buffering.max.messages": 10_000,
    "queue.buffering.max.kbytes": 32 * 1024,
}
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """What the headers of a copy say about the record.

    `timestamp` is that of the record on Kafka (epoch ms), `detail` a sentence for a person,
    `process` the one that rejected it.
    """

    topic: str
    partition: int
    offset: int
    timestamp: int
    reason: str
    detail: str
    run_id: str
    process: str

    def to_headers(self) -> list[tuple[str, bytes]]:
        """Return the headers of the copy, as text."""
        return [(name, str(getattr(self, name)).encode()) for name in self.__slots__]

    @classmethod
    def from_headers(cls, headers: Any) -> "DeadLetter | None":
        """Return what the headers say; None if they are not those of a copy."""
        try:
            text = {name: value.decode() for name, value in headers or ()}
            numbers = {name: int(text.pop(name)) for name in ("partition", "offset", "timestamp")}
            return cls(**text, **numbers)  # type: ignore[arg-type]
        except (AttributeError, KeyError, TypeError, ValueError):
            return None


@dataclass(frozen=True, slots=True)
class RejectedRecord:
    """A copy on the topic: what was rejected, and where and why."""

    letter: DeadLetter
    key: bytes | None
    value: bytes | None


class DeadLetters:
    """Where a process of a run leaves the records that it rejects.

    Nothing here waits or raises: a copy that cannot be sent is logged and counted. It connects to
    Kafka at the first rejected record.

    Parameters
    ----------
    cluster
        The Kafka cluster of the run.
    partitions
        Partitions of the topic `dead_letters`.
    run_id
        The run that is processed.
    process
        Name of this process, such as `dataflow-0`.
    """

    def __init__(self, cluster: KafkaCluster, partitions: int, run_id: str, process: str) -> None:
        self._cluster = cluster
        self._partitions = partitions
        self._run_id = run_id
        self._process = process
        self._lock = threading.Lock()
        self._producer: ck.Producer | None = None
        self._logged: dict[str, int] = {}

    def add(self, message: ck.Message, reason: Reason, detail: str = "") -> None:
        """Copy, count and log a record that is passed over.

        Parameters
        ----------
        reason
            A word for the metric.
        detail
            What is wrong with this record, for a person.
        """
        letter = DeadLetter(
            topic=(message.topic() or "").removeprefix(self._cluster.topic_prefix),
            partition=message.partition() or 0,
            offset=message.offset() or 0,
            timestamp=message.timestamp()[1],
            reason=reason,
            detail=detail[:_MAX_DETAIL],
            run_id=self._run_id,
            process=self._process,
        )
        REJECTED.labels(letter.topic, reason).inc()
        self._log(message, letter)
        try:
            self._open().produce(
                self._cluster.topic(DEAD_LETTERS),
                value=message.value(),
                key=message.key(),
                partition=letter.partition % self._partitions,
                headers=letter.to_headers(),  # type: ignore[arg-type]
                on_delivery=lambda error, _: self._delivered(letter, error),
            )
            self._open().poll(0)
        except (ck.KafkaException, BufferError) as error:
            self._lost(letter, str(error))

    def wait(self) -> None:
        """Wait for the copies so far to arrive, a few seconds at most."""
        if self._producer is not None:
            self._producer.flush(_CLOSE_S)

    def close(self) -> None:
        """Wait for the copies to arrive, a few seconds at most."""
        if self._producer is not None:
            waiting = self._producer.flush(_CLOSE_S)
            if waiting:
                NOT_COPIED.inc(waiting)
                _log.warning(
                    "%d rejected records were not copied to %s: Kafka at %s does not answer",
                    waiting,
                    DEAD_LETTERS,
                    self._cluster,
                )

    def _open(self) -> ck.Producer:
        with self._lock:  # several workers of a dataflow share this
            if self._producer is None:
                self._producer = ck.Producer(producer_config(self._cluster) | _QUEUE)
            return self._producer

    def _log(self, message: ck.Message, letter: DeadLetter) -> None:
        logged = self._logged[letter.reason] = self._logged.get(letter.reason, 0) + 1
        if logged <= _LOGGED:
            _log.warning(
                "%s: %s%s: passed over, and copied to %s: see `rushhour dead-letters`",
                message_position(message),
                letter.reason,
                f" ({letter.detail})" if letter.detail else "",
                DEAD_LETTERS,
            )
        if logged == _LOGGED:
            _log.warning("further records that are %s are not logged", letter.reason)

    def _delivered(self, letter: DeadLetter, error: ck.KafkaError | None) -> None:
        if error is not None:
            self._lost(letter, error.str())

    def _lost(self, letter: DeadLetter, why: str) -> None:
        NOT_COPIED.inc()
        _log.warning(
            "topic '%s' partition %d offset %d: not copied to %s: %s",
            letter.topic,
            letter.partition,
            letter.offset,
            DEAD_LETTERS,
            why,
        )


def read_dead_letters(
    cluster: KafkaCluster, start: Mapping[int, int], run_id: str
) -> list[RejectedRecord]:
    """Return the rejected records of a run, each once, in the order of their copies.

    Parameters
    ----------
    start
        Where the run starts on each partition of the topic; what Kafka no longer has is left out.

    Raises
    ------
    KafkaFailure
        If Kafka does not answer, or lacks the topic.
    """
    ends = end_offsets(cluster, [DEAD_LETTERS])[DEAD_LETTERS]
    open_partitions = {
        partition for partition, end in ends.items() if end > start.get(partition, 0)
    }
    config = consumer_config(cluster)
    config |= {"auto.offset.reset": "earliest", "enable.partition.eof": True}
    copies: list[ck.Message] = []
    with closing(ck.Consumer(config)) as consumer:
        consumer.assign(
            [
                ck.TopicPartition(cluster.topic(DEAD_LETTERS), each, start.get(each, 0))
                for each in sorted(open_partitions)
            ]
        )
        deadline = time.monotonic() + _READ_S
        while open_partitions:
            if time.monotonic() > deadline:
                raise KafkaFailure(f"Kafka at {cluster}: {DEAD_LETTERS} was not read to its end")
            for message in consumer.consume(1_000, timeout=0.1):
                error = message.error()
                if error is not None and error.code() == ck.KafkaError._PARTITION_EOF:
                    open_partitions.discard(message.partition() or 0)
                else:
                    check_messages([message])
                    copies.append(message)
    return _rejected(copies, run_id)


def _rejected(copies: list[ck.Message], run_id: str) -> list[RejectedRecord]:
    """Return the rejected records of a run, by the time of their copies."""
    found: dict[tuple[str, int, int], RejectedRecord] = {}
    for copy in sorted(copies, key=lambda message: message.timestamp()[1]):
        letter = DeadLetter.from_headers(copy.headers())
        if letter is not None and letter.run_id == run_id:
            position = (letter.topic, letter.partition, letter.offset)
            found.setdefault(position, RejectedRecord(letter, copy.key(), copy.value()))
    return list(found.values())
