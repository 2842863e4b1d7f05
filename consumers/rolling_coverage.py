"""How many rides the intervals held, over the last 24 h and 168 h, and by demand.

A pair of interval and rides is covered if `lower <= rides <= upper`. It counts only where there
was an interval; of a run's models, only the served one has any.
"""

from typing import Any

import numpy as np
import numpy.typing as npt

from consumers.rolling_errors import ratio, slot_of, slots_of
from rushhour.core.hours import HOURS_PER_WEEK
from rushhour.core.zones import ZONE_COUNT
from rushhour.scoring.bands import BANDS, band_of
from rushhour.storage.columns import Floats, ZoneMask

COVERAGE = "coverage"  # the name of this score, in fields of Redis and in metrics
WHAT_COVERAGE_IS = "Share of rides within the intervals of the served model"


def is_covered(rides: npt.NDArray[Any], lower: Floats, upper: Floats) -> Floats:
    """Return 1 for each pair that is covered and 0 for others; NaN where there is no interval."""
    held = (lower <= rides) & (rides <= upper)
    return np.where(np.isnan(lower) | np.isnan(upper), np.nan, held)


class RollingCoverage:
    """Which pairs were covered, for the last week of closed hours.

    All sums are whole numbers, so they have the same digits in any order. An hour lies in the
    same slot as its errors do (`consumers.rolling_errors`).
    """

    def __init__(self) -> None:
        size = (HOURS_PER_WEEK, ZONE_COUNT)
        self._judged = np.zeros(size, np.bool_)
        self._covered = np.zeros(size, np.bool_)
        self._bands = np.zeros(size, np.int64)
        # The same, added up over the zones of each hour: judged and covered pairs of each band.
        self._by_band = np.zeros((HOURS_PER_WEEK, 2, len(BANDS)))

    def learn(
        self,
        hour_ts: int,
        covered: Floats,
        predicted: Floats,
        zones: ZoneMask | slice = slice(None),
    ) -> None:
        """Take in one closed hour of the given zones, of all if none.

        `covered` is what `is_covered` says. The hours of a zone must come in order, without a
        gap.
        """
        slot = slot_of(hour_ts)
        self._judged[slot, zones] = ~np.isnan(covered)[zones]
        self._covered[slot, zones] = (covered == 1)[zones]
        self._bands[slot, zones] = band_of(predicted)[zones]
        for row, pairs in enumerate((self._judged[slot], self._covered[slot])):
            self._by_band[slot, row] = np.bincount(self._bands[slot][pairs], minlength=len(BANDS))

    def zone_shares(self, window: int, last_hour: int) -> Floats:
        """Return each zone's share of covered pairs in the `window` hours up to `last_hour`.

        They hold for the zones that have come to that hour. NaN where there is no pair.
        """
        slots = slots_of(window, last_hour)
        covered, judged = self._covered[slots], self._judged[slots]
        return ratio(covered.sum(axis=0), judged.sum(axis=0))

    def city_share(self, window: int, last_hour: int) -> Floats:
        """Return the share of all zones, one value; they must all have come to `last_hour`."""
        judged, covered = self._by_band[slots_of(window, last_hour)].sum(axis=(0, 2))
        return ratio(np.array([covered]), np.array([judged]))

    def band_shares(self) -> Floats:
        """Return the share of each of `BANDS` over the last 168 h, of all zones."""
        judged, covered = self._by_band.sum(axis=0)
        return ratio(covered, judged)
