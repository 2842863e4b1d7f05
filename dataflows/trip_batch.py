"""Trips and ticks of one partition as columns."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from rushhour.core.bounds import Fault, PartitionBounds
from rushhour.core.events import Tick, Trip, TripEvent
from rushhour.core.trip_columns import TripColumns


@dataclass(frozen=True, slots=True)
class TripBatch:
    """Trips and ticks of one partition, in stream order, as columns.

    `seq`, `pickup_ts` (epoch milliseconds) and `zone` (location id) have one value per trip.
    `ticks` are pairs of the number of trips in the batch before a tick, and the tick. `offsets` has
    the offset of each trip and tick.
    """

    partition: int
    seq: npt.NDArray[np.int64]
    pickup_ts: npt.NDArray[np.int64]
    zone: npt.NDArray[np.int64]
    ticks: tuple[tuple[int, Tick], ...]
    offsets: Sequence[int]

    @classmethod
    def of(
        cls, partition: int, events: Sequence[TripEvent], offsets: Sequence[int] | None = None
    ) -> "TripBatch":
        """Return events as columns; by default, their offsets count from 0."""
        if offsets is None:
            offsets = range(len(events))
        return cls.merged(partition, TripColumns.none(), list(enumerate(events)), offsets)

    @classmethod
    def merged(
        cls,
        partition: int,
        trips: TripColumns,
        others: Sequence[tuple[int, TripEvent]],
        offsets: Sequence[int],
    ) -> "TripBatch":
        """Return the events of a batch of records of which some are columns already.

        Parameters
        ----------
        trips
            Trips of the batch as columns.
        others
            The other trips and ticks, each with its place in the batch, in order.
        offsets
            The offset of each record of the batch, be it an event or not.
        """
        rows = [
            (place, event.seq, event.pickup_ts, event.pickup_location_id)
            for place, event in others
            if isinstance(event, Trip)
        ]
        columns = (trips.index, trips.seq, trips.pickup_ts, trips.zone)
        if rows:
            both = np.concatenate((np.stack(columns), np.array(rows, np.int64).T), axis=1)
            columns = tuple(both[:, both[0].argsort()])
        index, seq, pickup_ts, zone = columns
        places = [place for place, event in others if isinstance(event, Tick)]
        ticks = [event for _, event in others if isinstance(event, Tick)]
        if len(index) + len(ticks) < len(offsets):
            offsets = [offsets[place] for place in sorted([*index.tolist(), *places])]
        before = np.searchsorted(index, places).tolist()
        return cls(partition, seq, pickup_ts, zone, tuple(zip(before, ticks, strict=True)), offsets)

    def events(self) -> Iterator[tuple[int, TripEvent]]:
        """Yield the offset of each trip and tick, and itself, in order."""
        columns = (self.seq, self.pickup_ts, self.zone)
        events: list[TripEvent] = list(map(Trip, *(column.tolist() for column in columns)))
        for before, tick in reversed(self.ticks):
            events.insert(before, tick)
        return zip(self.offsets, events, strict=True)

    def offset_of_trip(self, index: int) -> int:
        """Return the offset of a trip, given its index in the columns."""
        return self.offsets[index + sum(before <= index for before, _ in self.ticks)]

    def offset_of_tick(self, index: int) -> int:
        """Return the offset of a tick, given its index in `ticks`."""
        return self.offsets[index + self.ticks[index][0]]


def is_within(bounds: PartitionBounds, batch: TripBatch) -> bool:
    """Return whether all trips and ticks of a batch can be those of the run."""
    return bounds.hold(batch.pickup_ts, batch.zone) and not any(
        fault_of(bounds, tick) for _, tick in batch.ticks
    )


def fault_of(bounds: PartitionBounds, event: TripEvent) -> Fault | None:
    """Return why a trip or tick cannot be one of the run's, None if it can."""
    if isinstance(event, Tick):
        return bounds.fault(event.sim_ts, with_end=True)
    return bounds.fault(event.pickup_ts, event.pickup_location_id)
