"""Past days that resemble today, zone by zone."""

import numpy as np

from rushhour.core.arrays import Floats
from rushhour.core.hours import HOURS_PER_DAY
from rushhour.core.zones import ZONE_COUNT

_DAYS = 27
_HOURS = 3
_CITY_WIDTH = 0.1
_ZONE_WIDTH = 3.0
_HALF_LIFE_DAYS = 21.0


class SimilarHours:
    """The mean of the past days at some hour, weighted by their similarity to today.

    As `dataflows.forecasting.history.similar_days`: the days have weights of their own in each
    zone, by the last three hours of the city and of the zone.
    """

    def __init__(self) -> None:
        self._distances = np.empty((0, ZONE_COUNT))  # of the days 1, 2, 3, ... back

    def update(self, root_counts: Floats) -> None:
        """Compare the last three of `root_counts`, `float64[hours, zones]`, with past days."""
        days = min(_DAYS, (len(root_counts) - _HOURS) // HOURS_PER_DAY)
        self._distances = np.zeros((max(days, 0), ZONE_COUNT))
        for day in range(1, days + 1):
            before = len(root_counts) - day * HOURS_PER_DAY
            then = root_counts[before - _HOURS : before]
            self._distances[day - 1] = np.square(root_counts[-_HOURS:] - then).mean(axis=0)

    def mean(self, root_counts: Floats, horizon: int, otherwise: Floats) -> Floats:
        """Return the weighted mean of the hour that is `horizon` hours ahead, on past days.

        Parameters
        ----------
        root_counts
            `float64[hours, zones]`, those of the last `update`.
        horizon
            Hours from the last of them to the one that is described.
        otherwise
            What to return if there is no such day.
        """
        first = -(-horizon // HOURS_PER_DAY)  # days before it are not over at that hour
        distances = self._distances[first - 1 :]
        if not len(distances):
            return otherwise
        days = np.arange(first, first + len(distances))
        city = distances.mean(axis=1, keepdims=True)
        exponents = -(city - city.min()) / _CITY_WIDTH - (distances - distances.min(axis=0)) / (
            _ZONE_WIDTH
        )
        weights = np.exp(exponents) * 0.5 ** (days / _HALF_LIFE_DAYS)[:, np.newaxis]
        places = len(root_counts) - 1 + horizon - days * HOURS_PER_DAY
        mean: Floats = (weights * root_counts[places]).sum(axis=0) / weights.sum(axis=0)
        return mean
