"""The usual rides of each zone at each hour of the day."""

import numpy as np

from rushhour.core.arrays import Counts, Floats
from rushhour.core.hours import HOURS_PER_DAY
from rushhour.core.zones import ZONE_COUNT


class UsualRides:
    """Mean rides of each zone at each hour of the day, which fade with the days.

    A quiet zone has few rides to tell its hours apart, so its mean counts with eight days of what
    the zone's own total and the whole city's course of the day let expect.
    """

    _FORGETTING_FACTOR = 1.0 - 1.0 / 28.0  # per day
    _PRIOR_DAYS = 8.0

    def __init__(self) -> None:
        self._rides = np.zeros((HOURS_PER_DAY, ZONE_COUNT))
        self._days = np.zeros(HOURS_PER_DAY)
        self._next = 0  # hour of the day, from that of the first hour on

    def append(self, rides: Counts) -> None:
        """Add the rides of the next hour, `int64[zones]`."""
        hour, factor = self._next, self._FORGETTING_FACTOR
        self._rides[hour] = factor * self._rides[hour] + rides
        self._days[hour] = factor * self._days[hour] + 1.0
        self._next = (hour + 1) % HOURS_PER_DAY

    def mean(self, ahead: int = 1) -> Floats:
        """Return the usual rides of a coming hour, `float64[zones]`.

        Parameters
        ----------
        ahead
            Which hour after the last one added.
        """
        hour = (self._next + ahead - 1) % HOURS_PER_DAY
        city = float(self._rides.sum())
        if not city:
            return np.zeros(ZONE_COUNT)
        days = float(self._days.sum()) / HOURS_PER_DAY
        of_city = float(self._rides[hour].sum()) / city
        expected = self._rides.sum(axis=0) * (of_city / days)
        usual: Floats = (self._rides[hour] + self._PRIOR_DAYS * expected) / (
            self._days[hour] + self._PRIOR_DAYS
        )
        return usual
