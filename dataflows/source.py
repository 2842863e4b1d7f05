"""The Kafka source: the partitions of `trips` that this process reads, as one of Bytewax."""

import logging
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby

import confluent_kafka as ck
import numpy as np
from bytewax.inputs import FixedPartitionedSource, StatefulSourcePartition

from dataflows.failure import noted
from dataflows.trip_batch import TripBatch, fault_of, is_within
from rushhour.core.bounds import PartitionBounds
from rushhour.core.codec import trip_codec
from rushhour.core.events import TripEvent
from rushhour.core.kafka_cluster import KafkaCluster
from rushhour.core.run import RunInfo
from rushhour.core.topics import TRIPS
from rushhour.core.trip_columns import TripColumnReader
from rushhour.runtime.kafka import assigned_consumer, check_messages, next_offset
from rushhour.runtime.metrics import LagMeter
from rushhour.runtime.monitor import Health
from rushhour.runtime.records import RecordReader, RunRecords
from rushhour.runtime.waiting import Waiting
from rushhour.storage.columns import zones_of

_MAX_MESSAGES = 10_000
# How long the process waits for trips while it has nothing else to do. They end the wait; what
# another process of the cluster sends does not.
_WAIT_S = 0.003
_WAITING = Waiting("trips")
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Position:
    """The position in a partition: the next offset, and whether the final tick has been read."""

    offset: int
    ended: bool = False


class PartitionReader:
    """Turns the messages of one partition into its trips and ticks.

    Records of other runs are passed over, and those that cannot be of this run are rejected.

    Attributes
    ----------
    position
        Where the next message is.
    """

    def __init__(
        self,
        partition: int,
        position: Position,
        bounds: PartitionBounds,
        columns: TripColumnReader,
        records: RecordReader[TripEvent],
    ) -> None:
        self.position = position
        self._partition = partition
        self._bounds = bounds
        self._columns = columns
        self._records = records

    def read(self, messages: Sequence[ck.Message]) -> TripBatch:
        """Return the events of the next messages; none that follow the batch of the final tick."""
        if self.position.ended:
            return TripBatch.of(self._partition, [])
        batch = self._events(self._records.wanted(messages))
        if not is_within(self._bounds, batch):
            batch = self._without_outsiders(batch, messages)
        ended = any(tick.sim_ts == self._bounds.end_ts for _, tick in batch.ticks)
        self.position = Position(next_offset(messages), ended)
        return batch

    def _events(self, messages: Sequence[ck.Message]) -> TripBatch:
        """Return the events of the run, and reject what is none."""
        trips = self._columns.read(list(map(ck.Message.value, messages)))
        rest = np.delete(np.arange(len(messages)), trips.index).tolist()
        indices, events = self._records.decode([messages[i] for i in rest])
        others = [(rest[i], event) for i, event in zip(indices, events, strict=True)]
        return TripBatch.merged(self._partition, trips, others, _offsets(messages))

    def _without_outsiders(self, batch: TripBatch, messages: Sequence[ck.Message]) -> TripBatch:
        """Return what can be of the run, and reject the rest."""
        by_offset = {message.offset(): message for message in messages}
        kept: list[tuple[int, TripEvent]] = []
        for offset, event in batch.events():
            fault = fault_of(self._bounds, event)
            if fault is None:
                kept.append((offset, event))
            else:
                self._records.reject(by_offset[offset], *fault)
        return TripBatch.of(
            self._partition, [event for _, event in kept], [offset for offset, _ in kept]
        )


class ProcessPartitions(StatefulSourcePartition[TripBatch, dict[int, Position]]):
    """The partitions of `trips` that a process reads, in batches, with one client of Kafka.

    A client for each would ask the broker that much more often for what has not arrived yet. State:
    the positions. It ends on the final tick of the last partition.
    """

    def __init__(
        self, cluster: KafkaCluster, readers: Mapping[int, PartitionReader], health: Health
    ) -> None:
        self._readers = dict(readers)
        self._health = health
        offsets = {partition: at.offset for partition, at in self.snapshot().items()}
        self._consumer = assigned_consumer(cluster, {TRIPS: offsets}, health)
        self._lag = LagMeter(cluster, self._consumer)

    @noted
    def next_batch(self) -> list[TripBatch]:
        """Return the trips and ticks that have arrived, a batch for each partition.

        Waits for the first one, for a few milliseconds.

        Raises
        ------
        StopIteration
            After the final tick of each partition.
        KafkaFailure
            If the broker no longer has the next offset, or fails permanently.
        """
        self._health.beat()
        if all(reader.position.ended for reader in self._readers.values()):
            raise StopIteration
        with _WAITING:
            messages = self._consumer.wait_and_take(_WAIT_S, _MAX_MESSAGES)
        self._measure_lag()
        check_messages(messages)
        by_partition: dict[int, list[ck.Message]] = defaultdict(list)
        for partition, own in groupby(messages, ck.Message.partition):
            by_partition[partition or 0] += own
        batches = [self._readers[partition].read(own) for partition, own in by_partition.items()]
        return [batch for batch in batches if batch.offsets]

    def snapshot(self) -> dict[int, Position]:
        """Return the positions to resume from."""
        return {partition: reader.position for partition, reader in self._readers.items()}

    def close(self) -> None:
        """Close the connection to the broker."""
        self._measure_lag(now=True)
        self._consumer.close()

    def _measure_lag(self, *, now: bool = False) -> None:
        positions = self.snapshot().items()
        self._lag.measure({(TRIPS, partition): at.offset for partition, at in positions}, now=now)


class TripsSource(FixedPartitionedSource[TripBatch, dict[int, Position]]):
    """All partitions of `trips`, each from its start offset or the position of its snapshot.

    Process `i` of `n` reads every `n`-th partition, from `i` on.
    """

    def __init__(
        self,
        cluster: KafkaCluster,
        run: RunInfo,
        offsets: Mapping[int, int],
        records: RunRecords,
        health: Health,
        process: int = 0,
    ) -> None:
        self._cluster = cluster
        self._run = run
        self._offsets = dict(offsets)
        self._columns = TripColumnReader(run.run_id)
        self._records = records.of(TRIPS, trip_codec)
        self._health = health
        self._process = process

    def list_parts(self) -> list[str]:
        """Return the number of this process, if it has partitions to read."""
        return [str(self._process)] if self._process < len(self._offsets) else []

    @noted
    def build_part(
        self, step_id: str, for_part: str, resume_state: dict[int, Position] | None
    ) -> ProcessPartitions:
        """Open the partitions of this process."""
        readers = {
            partition: self._reader(partition, (resume_state or {}).get(partition))
            for partition in sorted(self._offsets)[int(for_part) :: self._run.dataflows]
        }
        return ProcessPartitions(self._cluster, readers, self._health)

    def _reader(self, partition: int, resume_at: Position | None) -> PartitionReader:
        position = resume_at or Position(self._offsets[partition])
        _log.info(
            "partition %d of %s: %s offset %d",
            partition,
            TRIPS,
            "start at" if resume_at is None else "resume at",
            position.offset,
        )
        zones = zones_of(partition, len(self._offsets))
        bounds = PartitionBounds(self._run.start_ts, self._run.end_ts, zones)
        return PartitionReader(partition, position, bounds, self._columns, self._records)


def _offsets(messages: Sequence[ck.Message]) -> Sequence[int]:
    """Return the offsets of some messages of a partition, without a look at each if possible."""
    if not messages:
        return ()
    first, last = messages[0].offset() or 0, messages[-1].offset() or 0
    if last - first == len(messages) - 1:
        return range(first, last + 1)
    return [message.offset() or 0 for message in messages]
