"""The records that a process reads: those of its run become events, others are set aside."""

from collections.abc import Callable, Collection, Sequence
from typing import Generic, TypeVar

import confluent_kafka as ck
from prometheus_client import Counter

from rushhour.core.codec import Codec
from rushhour.core.errors import EventError
from rushhour.runtime.kafka import message_position

E = TypeVar("E")

FOREIGN_RECORDS = Counter(
    "rushhour_foreign_records", "Records of other runs that were passed over", ["topic"]
)

# Takes a record that cannot be one of the run's, and the reason.
Reject = Callable[[ck.Message, str], None]
RecordPosition = tuple[str, int, int]  # topic, partition, offset


def refuse(message: ck.Message, reason: str) -> None:
    """Reject a record by stopping the process.

    Raises
    ------
    EventError
        Always; it names the position of the record.
    """
    raise EventError(f"{message_position(message)}: {reason}")


class RecordReader(Generic[E]):
    """Turns the records of one topic into the events of a run.

    Parameters
    ----------
    codec
        Of the topic and the run.
    reject
        Called for each record that is not an event of any run.
    skipped
        Positions of records to pass over.
    """

    def __init__(
        self, codec: Codec[E], reject: Reject, skipped: Collection[RecordPosition] = ()
    ) -> None:
        self._codec = codec
        self._reject = reject
        self._skipped = frozenset(skipped)

    def events(self, messages: Sequence[ck.Message]) -> tuple[Sequence[ck.Message], list[E]]:
        """Return the events of the run, in order, and the record of each."""
        if self._skipped:
            messages = [each for each in messages if _position(each) not in self._skipped]
        decoded = self._codec.decode_batch([message.value() for message in messages])
        if len(decoded.events) == len(messages):
            return messages, decoded.events
        for damaged in decoded.damaged:
            self._reject(messages[damaged.index], damaged.reason)
        if decoded.foreign:
            FOREIGN_RECORDS.labels(messages[0].topic()).inc(decoded.foreign)
        return [messages[i] for i in decoded.indices], decoded.events


def _position(message: ck.Message) -> RecordPosition:
    return message.topic() or "", message.partition() or 0, message.offset() or 0
