"""The Kafka source: each partition of `trips` as a Bytewax source partition."""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import confluent_kafka as ck
from bytewax.inputs import FixedPartitionedSource, StatefulSourcePartition

from dataflows.failure import noted
from dataflows.trip_batch import TripBatch, fault_of, is_within
from rushhour.core.bounds import PartitionBounds
from rushhour.core.codec import trip_codec
from rushhour.core.events import TripEvent
from rushhour.core.kafka_cluster import KafkaCluster
from rushhour.core.run import RunInfo
from rushhour.core.topics import TRIPS
from rushhour.runtime.kafka import assigned_consumer, check_messages, next_offset
from rushhour.runtime.metrics import LagMeter
from rushhour.runtime.monitor import Health
from rushhour.runtime.records import RecordReader, RunRecords
from rushhour.runtime.waiting import Waiting
from rushhour.storage.columns import zones_of

_MAX_MESSAGES = 10_000
# Long enough for a batch to accumulate under load, short compared to a simulated hour.
_IDLE = timedelta(milliseconds=3)
_WAITING = Waiting("trips")
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Position:
    """The position in a partition: the next offset, and whether the final tick has been read."""

    offset: int
    ended: bool = False


class TripsPartition(StatefulSourcePartition[TripBatch, Position]):
    """One partition of `trips`, read in batches. State: its position. Ends on the final tick.

    Records of other runs are passed over, and those that cannot be of this run are rejected.
    """

    def __init__(
        self,
        cluster: KafkaCluster,
        partition: int,
        position: Position,
        bounds: PartitionBounds,
        records: RecordReader[TripEvent],
        health: Health,
    ) -> None:
        self._partition = partition
        self._position = position
        self._bounds = bounds
        self._records = records
        self._health = health
        self._consumer = assigned_consumer(cluster, {TRIPS: {partition: position.offset}}, health)
        self._lag = LagMeter(cluster, self._consumer)
        self._idle = False

    @noted
    def next_batch(self) -> list[TripBatch]:
        """Return the trips and ticks that have arrived as one batch, without waiting.

        Raises
        ------
        StopIteration
            After the final tick.
        KafkaFailure
            If the broker no longer has the next offset, or fails permanently.
        """
        _WAITING.end()
        self._health.beat()
        if self._position.ended:
            raise StopIteration
        messages = self._consumer.consume(_MAX_MESSAGES, timeout=0)
        self._idle = not messages
        self._measure_lag()
        if self._idle:
            _WAITING.begin()  # until the next call, of any partition
            return []
        check_messages(messages)
        own, events = self._records.events(messages)
        batch = TripBatch.of(self._partition, events, _offsets(own))
        if not is_within(self._bounds, batch):
            batch = self._without_outsiders(own, events)
        ended = any(tick.sim_ts == self._bounds.end_ts for _, tick in batch.ticks)
        self._position = Position(next_offset(messages), ended)
        return [batch] if batch.offsets else []

    def _without_outsiders(
        self, messages: Sequence[ck.Message], events: Sequence[TripEvent]
    ) -> TripBatch:
        """Return what can be of the run, and reject the rest."""
        kept: list[int] = []
        for i, event in enumerate(events):
            fault = fault_of(self._bounds, event)
            if fault is None:
                kept.append(i)
            else:
                self._records.reject(messages[i], *fault)
        return TripBatch.of(
            self._partition, [events[i] for i in kept], _offsets([messages[i] for i in kept])
        )

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
        self,
        cluster: KafkaCluster,
        run: RunInfo,
        offsets: Mapping[int, int],
        records: RunRecords,
        health: Health,
    ) -> None:
        self._cluster = cluster
        self._run = run
        self._offsets = dict(offsets)
        self._records = records.of(TRIPS, trip_codec)
        self._health = health

    def list_parts(self) -> list[str]:
        """Return the partitions' numbers."""
        return [str(partition) for partition in sorted(self._offsets)]

    @noted
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
        zones = zones_of(partition, len(self._offsets))
        bounds = PartitionBounds(self._run.start_ts, self._run.end_ts, zones)
        return TripsPartition(
            self._cluster, partition, position, bounds, self._records, self._health
        )


def _offsets(messages: Sequence[ck.Message]) -> Sequence[int]:
    """Return the offsets of some messages of a partition, without a look at each if possible."""
    if not messages:
        return ()
    first, last = messages[0].offset() or 0, messages[-1].offset() or 0
    if last - first == len(messages) - 1:
        return range(first, last + 1)
    return [message.offset() or 0 for message in messages]
