"""The trips of all months of a run, numbered as one stream, of which two months are in memory.

Each month is read once when the producer starts: for the numbers and checksums with which the next
one begins, and to count rows. It is read again when the replay comes to it, unless it is held.
"""

from array import array
from bisect import bisect_right
from collections import Counter
from dataclasses import dataclass

import numpy as np

from producers.month.run_months import Months
from producers.numbering import Columns, NumberedTrips, PartitionTrips, split_trips, totals
from rushhour.core.hours import HOUR_MS

# Months in memory at most: the weeks that a loop plays again lie in one or two.
HELD = 2


class Span:
    """The trips of the months of a run that are within its hours.

    `rows` is the number of rows read, `usable` the number of trips of whole months after surges,
    `rejected` the number of rows rejected for each reason, and `partitions` has the trips of each
    partition.

    Parameters
    ----------
    months
        What can be read again.
    start_ts, end_ts
        The first instant and the end of the hours of the run (epoch ms).
    partitions
        The number of partitions.
    """

    def __init__(self, months: Months, start_ts: int, end_ts: int, partitions: int) -> None:
        self.rows = self.usable = 0
        self.rejected: Counter[str] = Counter()
        self._months = months
        # Months before the first hour and after the last one are empty.
        starts = [min(max(ts, start_ts), end_ts) for ts in months.starts]
        self._bounds = [start_ts, *starts[1:], end_ts]
        self._first = [[0] * partitions]  # the number of the first trip of each month
        self._held: dict[int, list[NumberedTrips]] = {}  # in the order in which they were read
        sums = [array("Q", [0]) for _ in range(partitions)]
        for index in range(len(starts)):
            self._add(index, sums)
        self.partitions = [
            PartitionTrips(start_ts, SpanPartition(self, partition), of_hours)
            for partition, of_hours in enumerate(sums)
        ]

    def before(self, partition: int, ts: int) -> int:
        """Return the number of trips of a partition before an instant (epoch ms)."""
        index = self._month_of(ts)
        if ts <= self._bounds[index]:  # between two months, none of which has to be read
            return self._first[index][partition]
        if ts >= self._bounds[-1]:
            return self._first[-1][partition]
        return self._trips(index)[partition].before(ts)

    def between(self, partition: int, start_ts: int, end_ts: int) -> Columns:
        """Return the first `seq` of the trips of [`start_ts`, `end_ts`), their times and zones."""
        begin, last = self._month_of(start_ts), self._month_of(max(start_ts, end_ts - 1))
        first, times, zones = self._trips(begin)[partition].between(start_ts, end_ts)
        if begin == last:
            return first, times, zones
        more = [
            self._trips(index)[partition].between(start_ts, end_ts)
            for index in range(begin + 1, last + 1)
        ]
        return (
            first,
            np.concatenate([times, *(each[1] for each in more)]),
            np.concatenate([zones, *(each[2] for each in more)]),
        )

    def _month_of(self, ts: int) -> int:
        """Return the month of an instant: the last that begins until then, of those with hours."""
        index = bisect_right(self._bounds, ts) - 1
        return min(max(index, 0), len(self._bounds) - 2)

    def _add(self, index: int, sums: list["array[int]"]) -> None:
        """Read the next month, and count it."""
        trips = self._trips(index)
        start_ts, end_ts = self._bounds[index : index + 2]
        for of_hours, own in zip(sums, trips, strict=True):
            of_hours.extend(totals(own, range(start_ts, end_ts + 1, HOUR_MS), of_hours[-1])[1:])
        self._first.append([own.before(end_ts) for own in trips])

    def _trips(self, index: int) -> list[NumberedTrips]:
        """Return the trips of a month on each partition."""
        if index in self._held:
            return self._held[index]
        while len(self._held) >= HELD:
            del self._held[next(iter(self._held))]
        table = self._months.read(index)
        if index + 1 == len(self._first):  # for the first time
            self.rows += table.rows
            self.usable += len(table)
            self.rejected.update(table.rejected)
        start_ts, end_ts = self._bounds[index : index + 2]
        self._held[index] = split_trips(table, start_ts, end_ts, self._first[index])
        return self._held[index]


@dataclass(frozen=True, slots=True)
class SpanPartition:
    """The trips of a run of several months on one partition, in pickup order."""

    span: Span
    partition: int

    def before(self, ts: int) -> int:
        """Return the number of trips before an instant (epoch ms)."""
        return self.span.before(self.partition, ts)

    def between(self, start_ts: int, end_ts: int) -> Columns:
        """Return the first `seq` of the trips of [`start_ts`, `end_ts`), their times and zones."""
        return self.span.between(self.partition, start_ts, end_ts)
