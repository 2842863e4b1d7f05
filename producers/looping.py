"""The trips of a loop: its last whole weeks again and again, numbered on, each time on later dates.

Memory does not grow with the passes. A producer that resumes computes the checksums of all passes
before, a few milliseconds for each: they depend on the numbers and times of the trips.
"""

from dataclasses import dataclass, field

import numpy as np

from producers.numbering import Columns, PartitionTrips, Trips
from rushhour.core.checksums import add, tick_checksum, total, trip_hashes
from rushhour.core.events import Tick


class LoopedTrips:
    """The trips of a looped run on one partition, in pickup order, without an end.

    Parameters
    ----------
    trips
        The trips of the first pass.
    end_ts
        The end of the first pass (epoch ms).
    length_ms
        Length of each later pass: what is before `end_ts` plays again.
    """

    def __init__(self, trips: Trips, end_ts: int, length_ms: int) -> None:
        self._trips = trips
        self._end_ts = end_ts
        self._length_ms = length_ms
        self._skipped = trips.before(end_ts - length_ms)
        self._of_pass = trips.before(end_ts) - self._skipped

    def before(self, ts: int) -> int:
        """Return the number of trips before an instant (epoch ms)."""
        passes, original_ts = self._place(ts)
        return self._trips.before(original_ts) + passes * self._of_pass

    def between(self, start_ts: int, end_ts: int) -> Columns:
        """Return the first `seq` of the trips of [`start_ts`, `end_ts`), their times and zones.

        The span lies within one pass.
        """
        passes, first_ts = self._place(start_ts)
        first, pickup_ts, zone = self._trips.between(first_ts, first_ts + end_ts - start_ts)
        if not passes:
            return first, pickup_ts, zone
        return first + passes * self._of_pass, pickup_ts + passes * self._length_ms, zone

    def pass_end(self, ts: int) -> int:
        """Return the end of the pass that plays at an instant (epoch ms)."""
        passes, _ = self._place(ts)
        return self._end_ts + passes * self._length_ms

    def _place(self, ts: int) -> tuple[int, int]:
        """Return how often the trips at an instant have played before, and their own time."""
        passes = max(0, (ts - self._end_ts) // self._length_ms + 1)
        return passes, ts - passes * self._length_ms


@dataclass(slots=True, eq=False)
class LoopedPartition:
    """The trips of a looped run on one partition, and its ticks; `end_ts` ends the first pass.

    Ticks are asked for in the order of their hours: the sum of the hashes of all trips before the
    last one is kept.
    """

    first_pass: PartitionTrips
    end_ts: int
    trips: LoopedTrips
    _summed_ts: int = field(init=False)
    _total: int = field(init=False)

    def __post_init__(self) -> None:
        self._begin()

    def _begin(self) -> None:
        self._summed_ts, self._total = self.end_ts, self.first_pass.totals[-1]

    def tick(self, hour_ts: int) -> Tick:
        """Return the tick at the start of an hour (epoch ms)."""
        if hour_ts <= self.end_ts:
            return self.first_pass.tick(hour_ts)
        if hour_ts < self._summed_ts:
            self._begin()
        while self._summed_ts < hour_ts:
            end_ts = min(hour_ts, self.trips.pass_end(self._summed_ts))
            first, pickup_ts, zone = self.trips.between(self._summed_ts, end_ts)
            seq = np.arange(first, first + len(zone))
            self._total = add(self._total, total(trip_hashes(seq, pickup_ts, zone)))
            self._summed_ts = end_ts
        return Tick(hour_ts, self.trips.before(hour_ts), tick_checksum(self._total, hour_ts))


def loop_partition(first_pass: PartitionTrips, end_ts: int, length_ms: int) -> LoopedPartition:
    """Return the trips of a partition in a loop, given those of the first pass up to `end_ts`."""
    return LoopedPartition(first_pass, end_ts, LoopedTrips(first_pass.trips, end_ts, length_ms))
