"""What-if surges on trips: drop or repeat the trips of a zone from an hour on."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from producers.month.trips import TripTable
from rushhour.core.surges import Surge


def apply_surges(table: TripTable, surges: Sequence[Surge]) -> TripTable:
    """Return the trips with the `copies` of these surges, at most one per zone.

    The k-th trip of a surge, from 0, becomes floor(factor * (k + 1)) - floor(factor * k) trips of
    the same zone and pickup time, in its place.
    """
    if not surges:
        return table
    copies = np.ones(len(table), np.int64)
    for surge in surges:
        first = int(np.searchsorted(table.pickup_ts, surge.from_ts))
        trips = first + np.flatnonzero(table.zone[first:] == surge.zone)
        # A ratio of integers: with a float, 0.29 would keep 28 of 100 trips.
        times, per = surge.factor.as_integer_ratio()
        copies[trips] = np.diff(np.arange(len(trips) + 1, dtype=np.int64) * times // per)
    return replace(table, copies=copies)
