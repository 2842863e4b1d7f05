"""The trips of a run, numbered on their partitions, with the checksums of the ticks."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from producers.trips import TripTable
from rushhour.core.arrays import Counts
from rushhour.core.checksums import add, tick_checksum, total, trip_hashes
from rushhour.core.events import Tick
from rushhour.core.hours import HOUR_MS
from rushhour.core.topics import zone_routes
from rushhour.core.zones import FIRST_ZONE


@dataclass(frozen=True, slots=True, eq=False)
class PartitionTrips:
    """The trips of a run on one partition, in pickup order. The index of a trip is its `seq`.

    `totals` has the sum of the hashes of all trips before each hour of the run, and before its end.
    """

    start_ts: int
    pickup_ts: npt.NDArray[np.int64]
    zone: npt.NDArray[np.int16]
    totals: Sequence[int]

    def before(self, ts: int) -> int:
        """Return the number of trips before an instant (epoch ms)."""
        return int(np.searchsorted(self.pickup_ts, ts, side="left"))

    def tick(self, hour_ts: int) -> Tick:
        """Return the tick at the start of an hour, or at the end of the run (epoch ms)."""
        trips_total = self.totals[(hour_ts - self.start_ts) // HOUR_MS]
        return Tick(hour_ts, self.before(hour_ts), tick_checksum(trips_total, hour_ts))


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
    out: list[PartitionTrips] = []
    for partition in range(partitions):
        own = np.flatnonzero(of_trip == partition)
        pickup_ts, zone = times[own], zones[own]
        totals = _totals(pickup_ts, zone, np.arange(start_ts, end_ts + 1, HOUR_MS))
        out.append(PartitionTrips(start_ts, pickup_ts, zone, totals))
    return out


def _totals(
    pickup_ts: npt.NDArray[np.int64], zone: npt.NDArray[np.int16], hours: Counts
) -> list[int]:
    """Return the sum of the hashes of all trips before each hour, one hour after the other."""
    totals = [0]
    for first, end in pairwise(np.searchsorted(pickup_ts, hours).tolist()):
        hashes = trip_hashes(np.arange(first, end), pickup_ts[first:end], zone[first:end])
        totals.append(add(totals[-1], total(hashes)))
    return totals
