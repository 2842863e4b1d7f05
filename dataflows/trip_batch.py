"""Trips and ticks of one partition as columns."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from rushhour.core.bounds import Fault, PartitionBounds
from rushhour.core.events import Tick, Trip, TripEvent


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
        """Return decoded events as columns; by default, their offsets count from 0."""
        trips: list[Trip] = []
        ticks: list[tuple[int, Tick]] = []
        for event in events:
            if type(event) is Trip:
                trips.append(event)
            elif type(event) is Tick:
                ticks.append((len(trips), event))
        return cls(
            partition,
            np.array([trip.seq for trip in trips], np.int64),
            np.array([trip.pickup_ts for trip in trips], np.int64),
            np.array([trip.pickup_location_id for trip in trips], np.int64),
            tuple(ticks),
            range(len(events)) if offsets is None else offsets,
        )

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
