"""The Kafka edge on the way in: each partition of `trips` as a Bytewax source partition."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

import confluent_kafka as ck
from bytewax.inputs import FixedPartitionedSource, StatefulSourcePartition

from core.events import Codec, TripEvent, trip_codec
from core.kafka import assigned_consumer, check_messages, next_offset, where
from core.topics import TRIPS
from dataflows.counting import TripBatch

_MAX_MESSAGES = 10_000
# Long enough for a batch to gather under load, short against a simulated hour.
_IDLE = timedelta(milliseconds=3)


class TripsPartition(StatefulSourcePartition[TripBatch, int]):
    """One partition of `trips`, read in batches. State: the next offset. Ends on the final tick."""

    def __init__(self, bootstrap: str, partition: int, offset: int) -> None:
        self._partition = partition
        self._offset = offset
        self._codec: Codec[TripEvent] = trip_codec()
        self._consumer: ck.Consumer = assigned_consumer(bootstrap, {TRIPS: {partition: offset}})
        self._ended = False
        self._idle = False

    def next_batch(self) -> list[TripBatch]:
        """Return all that has arrived as one batch, without waiting.

        Raises
        ------
        StopIteration
            After the final tick.
        KafkaError
            If the broker no longer has the next offset, or cannot be reached for good.
        EventError
            If a message is not a trip or a tick.
        """
        if self._ended:
            raise StopIteration
        messages = self._consumer.consume(_MAX_MESSAGES, timeout=0)
        self._idle = not messages
        if self._idle:
            return []
        check_messages(messages)
        events = self._codec.decode_batch(
            [message.value() for message in messages], lambda i: where(messages[i])
        )
        self._offset = next_offset(messages)
        batch = TripBatch.of(self._partition, events)
        self._ended = any(tick.final for _, tick in batch.ticks)
        return [batch]

    def next_awake(self) -> datetime | None:
        """Look again at once under load, after a short rest when there was nothing."""
        return datetime.now(UTC) + _IDLE if self._idle else None

    def snapshot(self) -> int:
        """Return the next offset to read."""
        return self._offset

    def close(self) -> None:
        """Leave the broker."""
        self._consumer.close()


class TripsSource(FixedPartitionedSource[TripBatch, int]):
    """All partitions of `trips`, each from its start offset or from where a snapshot left it."""

    def __init__(self, bootstrap: str, offsets: Mapping[int, int]) -> None:
        self._bootstrap = bootstrap
        self._offsets = dict(offsets)

    def list_parts(self) -> list[str]:
        """Return the partitions' numbers."""
        return [str(partition) for partition in sorted(self._offsets)]

    def build_part(self, step_id: str, for_part: str, resume_state: int | None) -> TripsPartition:
        """Open one partition."""
        partition = int(for_part)
        offset = self._offsets[partition] if resume_state is None else resume_state
        return TripsPartition(self._bootstrap, partition, offset)
