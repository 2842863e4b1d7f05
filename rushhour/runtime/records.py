"""The records that a process reads: those of its run become events, others are passed over."""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

import confluent_kafka as ck
import msgspec
from prometheus_client import Counter

from rushhour.core.codec import Codec
from rushhour.runtime.dead_letters import Reason

E = TypeVar("E", bound=msgspec.Struct)

FOREIGN_RECORDS = Counter(
    "rushhour_foreign_records", "Records of other runs that were passed over", ["topic"]
)

RecordPosition = tuple[str, int, int]  # topic, partition, offset


class Rejects(Protocol):
    """Where rejected records are left: `rushhour.runtime.dead_letters.DeadLetters`."""

    def add(self, message: ck.Message, reason: Reason, detail: str = "") -> None:
        """Take a record that is passed over."""


@dataclass(frozen=True, slots=True)
class RunRecords:
    """What reads the records of one run.

    Parameters
    ----------
    run_id
        The run.
    rejects
        Where rejected records go.
    skipped
        Positions of records to skip.
    """

    run_id: str
    rejects: Rejects
    skipped: Collection[RecordPosition] = ()

    def of(self, topic: str, codec: Callable[[str], Codec[E]]) -> "RecordReader[E]":
        """Return a reader of a topic (its name without a prefix), given the maker of its codec."""
        return RecordReader(topic, codec(self.run_id), self.rejects, self.skipped)


class RecordReader(Generic[E]):
    """Turns the records of one topic into the events of a run.

    A record of another run is counted and passed over. One that is not an event, or that a user
    wants to be skipped, goes to the rejects.

    Parameters
    ----------
    topic
        Name of the topic, without a prefix.
    codec
        Of the topic and the run.
    rejects
        Where rejected records go.
    skipped
        Positions of records to skip.
    """

    def __init__(
        self,
        topic: str,
        codec: Codec[E],
        rejects: Rejects,
        skipped: Collection[RecordPosition],
    ) -> None:
        self._topic = topic
        self._codec = codec
        self._rejects = rejects
        self._skipped = {
            (partition, offset) for name, partition, offset in skipped if name == topic
        }

    def events(self, messages: Sequence[ck.Message]) -> tuple[Sequence[ck.Message], list[E]]:
        """Return the events of the run, in order, and the record of each."""
        messages = self.wanted(messages)
        indices, events = self.decode(messages)
        if len(events) == len(messages):
            return messages, events
        return [messages[i] for i in indices], events

    def wanted(self, messages: Sequence[ck.Message]) -> Sequence[ck.Message]:
        """Return the records that are not to be skipped; the others are rejected."""
        return self._without_skipped(messages) if self._skipped else messages

    def decode(self, messages: Sequence[ck.Message]) -> tuple[Sequence[int], list[E]]:
        """Return the events of the run among wanted records, and their places in the batch."""
        decoded = self._codec.decode_batch(list(map(ck.Message.value, messages)))
        for damaged in decoded.damaged:
            self.reject(messages[damaged.index], "undecodable", damaged.reason)
        if decoded.foreign:
            FOREIGN_RECORDS.labels(self._topic).inc(decoded.foreign)
        return decoded.indices, decoded.events

    def reject(self, message: ck.Message, reason: Reason, detail: str) -> None:
        """Reject a record whose event cannot be one of the run's."""
        self._rejects.add(message, reason, detail)

    def _without_skipped(self, messages: Sequence[ck.Message]) -> list[ck.Message]:
        kept: list[ck.Message] = []
        for message in messages:
            if (message.partition(), message.offset()) in self._skipped:
                self._rejects.add(message, "skipped")
            else:
                kept.append(message)
        return kept
