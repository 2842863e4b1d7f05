"""The Kafka source: each partition of `trips` as a Bytewax source partition."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from bytewax.inputs import FixedPartitionedSource, StatefulSourcePartition

from dataflows.counting import TripBatch
from rushhour.core.codec import trip_codec
from rushhour.core.events import TripEvent
from rushhour.core.kafka_cluster import KafkaCluster
from rushhour.core.topics import TRIPS
from rushhour.runtime.kafka import assigned_consumer, check_messages, next_offset
from rushhour.runtime.metrics import LagMeter
from rushhour.runtime.monitor import Health
from rushhour.runtime.records import RecordReader, refuse

_MAX_MESSAGES = 10_000
# Long enough for a batch to accumulate under load, short compared to a simulated hour.
_IDLE = timedelta(milliseconds=3)
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Position:
    """The position in a partition: the next offset, and whether the final tick has been read."""

    offset: int
    ended: bool = False


class TripsPartition(StatefulSourcePartition[TripBatch, Position]):
    """One partition of `trips`, read in batches. State: its position. Ends on the final tick."""

    def __init__(
        self, cluster: KafkaCluster, run_id: str, partition: int, position: Position, health: Health
    ) -> None:
        self._partition = partition
        self._position = position
        self._health = health
        self._records = RecordReader[TripEvent](trip_codec(run_id), refuse)
        self._consumer = assigned_consumer(cluster, {TRIPS: {partition: position.offset}}, health)
        self._lag = LagMeter(cluster, self._consumer)
        self._idle = False

    def next_batch(self) -> list[TripBatch]:
        """Return the messages that have arrived as one batch, without waiting.

        Raises
        ------
        StopIteration
            After the final tick.
        KafkaFailure
            If the broker no longer has the next offset, or fails permanently.
        EventError
            If a message is not a trip or a tick.
        """
        self._health.beat()
        if self._position.ended:
            raise StopIteration
        messages = self._consumer.consume(_MAX_MESSAGES, timeout=0)
        self._idle = not messages
        self._measure_lag()
        if self._idle:
            return []
        check_messages(messages)
        _, events = self._records.events(messages)
        batch = TripBatch.of(self._partition, events)
        self._position = Position(next_offset(messages), any(tick.final for _, tick in batch.ticks))
        return [batch]

    def next_awake(self) -> datetime | None:
        """Poll again immediately under load, after a short pause if nothing had arrived."""
        return datetime.now(UTC) + _IDLE if self._idle else None

    def snapshot(self) -> Position:
        """Return the position to resume from."""
        return self._position

    def close(self) -> None:
        """Close the connection to the broker."""
        self._measure_lag(now=True)
        self._consumer.close()

    def _measure_lag(self, *, now: bool = False) -> None:
        self._lag.measure({(TRIPS, self._partition): self._position.offset}, now=now)


class TripsSource(FixedPartitionedSource[TripBatch, Position]):
    """All partitions of `trips`, each from its start offset or the position of its snapshot."""

    def __init__(
        self, cluster: KafkaCluster, run_id: str, offsets: Mapping[int, int], health: Health
    ) -> None:
        self._cluster = cluster
        self._run_id = run_id
        self._offsets = dict(offsets)
        self._health = health

    def list_parts(self) -> list[str]:
        """Return the partitions' numbers."""
        return [str(partition) for partition in sorted(self._offsets)]

    def build_part(
        self, step_id: str, for_part: str, resume_state: Position | None
    ) -> TripsPartition:
        """Open one partition."""
        partition = int(for_part)
        position = resume_state or Position(self._offsets[partition])
        _log.info(
            "partition %d of %s: %s offset %d",
            partition,
            TRIPS,
            "start at" if resume_state is None else "resume at",
            position.offset,
        )
        return TripsPartition(self._cluster, self._run_id, partition, position, self._health)
