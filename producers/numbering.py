"""The trips of a run, numbered on their partitions, with the checksums of the ticks."""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from producers.trips import TripTable
from rushhour.core.checksums import Hashes, tick_checksum, trip_hashes
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
    totals: Hashes

    def before(self, ts: int) -> int:
        """Return the number of trips before an instant (epoch ms)."""
        return int(np.searchsorted(self.pickup_ts, ts, side="left"))

    def tick(self, hour_ts: int) -> Tick:
        """Return the tick at the start of an hour, or at the end of the run (epoch ms)."""
        trips_total = int(self.totals[(hour_ts - self.start_ts) // HOUR_MS])
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
    order = np.argsort(of_trip, kind="stable")
    bounds = np.searchsorted(of_trip[order], np.arange(partitions + 1))
    hours = np.arange(start_ts, end_ts + 1, HOUR_MS)
    out: list[PartitionTrips] = []
    for begin, until in pairwise(bounds):
        own = order[begin:until]
        pickup_ts, zone = times[own], zones[own]
        hashes = trip_hashes(np.arange(len(own)), pickup_ts, zone)
        sums = np.concatenate((np.zeros(1, np.uint64), np.cumsum(hashes)))
        totals = sums[np.searchsorted(pickup_ts, hours, side="left")]
        out.append(PartitionTrips(start_ts, pickup_ts, zone, totals))
    return out
