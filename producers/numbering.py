"""The trips of a run, numbered on their partitions, with the checksums of the ticks."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Protocol

import numpy as np
import numpy.typing as npt

from producers.month.trips import TripTable
from rushhour.core.arrays import Counts
from rushhour.core.checksums import add, tick_checksum, total, trip_hashes
from rushhour.core.events import Tick
from rushhour.core.hours import HOUR_MS
from rushhour.core.topics import zone_routes
from rushhour.core.zones import FIRST_ZONE

# The `seq` of the first of some trips, their pickup times (epoch ms) and zones.
Columns = tuple[int, npt.NDArray[np.int64], npt.NDArray[np.int16]]


class Trips(Protocol):
    """The trips of a run on one partition, in pickup order."""

    def before(self, ts: int) -> int:
        """Return the number of trips before an instant (epoch ms)."""

    def between(self, start_ts: int, end_ts: int) -> Columns:
        """Return the first `seq` of the trips of [`start_ts`, `end_ts`), their times and zones."""


class NumberedTrips:
    """Trips of one partition, in pickup order: the `seq` of each is one more than the last.

    A trip that comes several times is kept once, so that a surge takes no memory.

    Parameters
    ----------
    pickup_ts
        Pickup times, epoch ms, ascending.
    zone
        The zone of each.
    copies
        How often each comes; None for once.
    first
        The number of the first: how many trips of the partition come before these.
    """

    def __init__(
        self,
        pickup_ts: npt.NDArray[np.int64],
        zone: npt.NDArray[np.int16],
        copies: Counts | None = None,
        first: int = 0,
    ) -> None:
        self._pickup_ts = pickup_ts
        self._zone = zone
        self._first = first
        # The first number of each, and the number of all, from 0.
        self._numbers = None if copies is None else np.append(0, copies.cumsum())

    def before(self, ts: int) -> int:
        """Return the number of trips before an instant (epoch ms)."""
        index = np.searchsorted(self._pickup_ts, ts, side="left")
        return self._first + int(index if self._numbers is None else self._numbers[index])

    def between(self, start_ts: int, end_ts: int) -> Columns:
        """Return the first `seq` of the trips of [`start_ts`, `end_ts`), their times and zones."""
        first, end = np.searchsorted(self._pickup_ts, (start_ts, end_ts), side="left").tolist()
        pickup_ts, zone = self._pickup_ts[first:end], self._zone[first:end]
        if self._numbers is None:
            return self._first + first, pickup_ts, zone
        copies = np.diff(self._numbers[first : end + 1])
        number = self._first + int(self._numbers[first])
        return number, np.repeat(pickup_ts, copies), np.repeat(zone, copies)


@dataclass(frozen=True, slots=True, eq=False)
class PartitionTrips:
    """The trips of a run on one partition, and its ticks.

    `totals` has the sum of the hashes of all trips before each hour of the run, and before its end.
    """

    start_ts: int
    trips: Trips
    totals: Sequence[int]

    def tick(self, hour_ts: int) -> Tick:
        """Return the tick at the start of an hour, or at the end of the run (epoch ms)."""
        trips_total = self.totals[(hour_ts - self.start_ts) // HOUR_MS]
        return Tick(hour_ts, self.trips.before(hour_ts), tick_checksum(trips_total, hour_ts))


def number_trips(
    table: TripTable, start_ts: int, end_ts: int, partitions: int
) -> list[PartitionTrips]:
    """Return the trips of the hours [`start_ts`, `end_ts`), epoch ms, of each partition.

    The numbers depend on the run alone: they are the same wherever a replay resumes.
    """
    hours = range(start_ts, end_ts + 1, HOUR_MS)
    return [
        PartitionTrips(start_ts, trips, totals(trips, hours))
        for trips in split_trips(table, start_ts, end_ts, [0] * partitions)
    ]


def split_trips(
    table: TripTable, start_ts: int, end_ts: int, first: Sequence[int]
) -> list[NumberedTrips]:
    """Return the trips of [`start_ts`, `end_ts`), epoch ms, of each partition.

    `first` has the number of the first trip on each.
    """
    begin, end = table.slice(start_ts, end_ts)
    times, zones = table.pickup_ts[begin:end], table.zone[begin:end]
    of_zone = np.array([partition for partition, _ in zone_routes(len(first))], np.int16)
    of_trip = of_zone[zones - FIRST_ZONE]
    out: list[NumberedTrips] = []
    for partition, number in enumerate(first):
        own = np.flatnonzero(of_trip == partition)
        copies = None if table.copies is None else table.copies[begin:end][own]
        out.append(NumberedTrips(times[own], zones[own], copies, number))
    return out


def totals(trips: NumberedTrips, hours: Sequence[int], before: int = 0) -> list[int]:
    """Return the sum of the hashes of all trips before each hour, one hour after the other.

    `before` is that of all trips before the first one.
    """
    sums = [before]
    for start_ts, end_ts in pairwise(hours):
        first, pickup_ts, zone = trips.between(start_ts, end_ts)
        seq = np.arange(first, first + len(zone))
        sums.append(add(sums[-1], total(trip_hashes(seq, pickup_ts, zone))))
    return sums
