"""What-if surges on trips: drop or repeat the trips of a zone from an hour on."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from producers.month.trips import TripTable
from rushhour.core.arrays import Ints
from rushhour.core.surges import Surge


def apply_surges(
    table: TripTable, surges: Sequence[Surge], before: Sequence[int] | None = None
) -> TripTable:
    """Return the trips with the `copies` of these surges, at most one per zone.

    The k-th trip of a surge, from 0, becomes floor(factor * (k + 1)) - floor(factor * k) trips of
    the same zone and pickup time, in its place. `before` is how many trips each surge had in the
    months before; None for none.
    """
    if not surges:
        return table
    copies = np.ones(len(table), np.int64)
    for surge, first in zip(surges, before or [0] * len(surges), strict=True):
        trips = _trips_of(surge, table)
        # A ratio of integers: with a float, 0.29 would keep 28 of 100 trips.
        times, per = surge.factor.as_integer_ratio()
        numbers = np.arange(first, first + len(trips) + 1, dtype=np.int64)
        copies[trips] = np.diff(numbers * times // per)
    return replace(table, copies=copies)


def count_surged(table: TripTable, surges: Sequence[Surge]) -> list[int]:
    """Return how many trips of a month each surge multiplies."""
    return [len(_trips_of(surge, table)) for surge in surges]


def _trips_of(surge: Surge, table: TripTable) -> Ints:
    """Return where the trips of a surge are in a table."""
    first = int(np.searchsorted(table.pickup_ts, surge.from_ts))
    return first + np.flatnonzero(table.zone[first:] == surge.zone)
