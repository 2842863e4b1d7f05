"""The trips of a run, numbered on their partitions, with the checksums of the ticks."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from producers.month.trips import TripTable
from rushhour.core.arrays import Counts
from rushhour.core.checksums import add, tick_checksum, total, trip_hashes
from rushhour.core.events import Tick
from rushhour.core.hours import HOUR_MS
from rushhour.core.topics import zone_routes
from rushhour.core.zones import FIRST_ZONE


class NumberedTrips:
    """The trips of a run on one partition, in pickup order. The index of a trip is its `seq`.

    A trip that comes several times is kept once, so that a surge takes no memory.

    Parameters
    ----------
    pickup_ts
        Pickup times, epoch ms, ascending.
    zone
        The zone of each.
    copies
        How often each comes; None for once.
    """

    def __init__(
        self,
        pickup_ts: npt.NDArray[np.int64],
        zone: npt.NDArray[np.int16],
        copies: Counts | None = None,
    ) -> None:
        self._pickup_ts = pickup_ts
        self._zone = zone
        # The first number of each, and the number of all.
        self._numbers = None if copies is None else np.append(0, copies.cumsum())

    def before(self, ts: int) -> int:
        """Return the number of trips before an instant (epoch ms)."""
        index = np.searchsorted(self._pickup_ts, ts, side="left")
        return int(index if self._numbers is None else self._numbers[index])

    def between(
        self, start_ts: int, end_ts: int
    ) -> tuple[int, npt.NDArray[np.int64], npt.NDArray[np.int16]]:
        """Return the first `seq` of the trips of [`start_ts`, `end_ts`), their times and zones."""
        first, end = np.searchsorted(self._pickup_ts, (start_ts, end_ts), side="left").tolist()
        pickup_ts, zone = self._pickup_ts[first:end], self._zone[first:end]
        if self._numbers is None:
            return first, pickup_ts, zone
        copies = np.diff(self._numbers[first : end + 1])
        number = int(self._numbers[first])
        return number, np.repeat(pickup_ts, copies), np.repeat(zone, copies)


@dataclass(frozen=True, slots=True, eq=False)
class PartitionTrips:
    """The trips of a run on one partition, and its ticks.

    `totals` has the sum of the hashes of all trips before each hour of the run, and before its end.
    """

    start_ts: int
    trips: NumberedTrips
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
    first, end = table.slice(start_ts, end_ts)
    times, zones = table.pickup_ts[first:end], table.zone[first:end]
    of_zone = np.array([partition for partition, _ in zone_routes(partitions)], np.int16)
    of_trip = of_zone[zones - FIRST_ZONE]
    hours = range(start_ts, end_ts + 1, HOUR_MS)
    out: list[PartitionTrips] = []
    for partition in range(partitions):
        own = np.flatnonzero(of_trip == partition)
        copies = None if table.copies is None else table.copies[first:end][own]
        trips = NumberedTrips(times[own], zones[own], copies)
        out.append(PartitionTrips(start_ts, trips, _totals(trips, hours)))
    return out


def _totals(trips: NumberedTrips, hours: Sequence[int]) -> list[int]:
    """Return the sum of the hashes of all trips before each hour, one hour after the other."""
    totals = [0]
    for start_ts, end_ts in pairwise(hours):
        first, pickup_ts, zone = trips.between(start_ts, end_ts)
        seq = np.arange(first, first + len(zone))
        totals.append(add(totals[-1], total(trip_hashes(seq, pickup_ts, zone))))
    return totals
