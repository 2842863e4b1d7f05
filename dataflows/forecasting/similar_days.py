"""Past days that resemble today."""

import numpy as np

from rushhour.core.arrays import Floats
from rushhour.core.hours import HOURS_PER_DAY

DAYS = 28


class SimilarDays:
    """Weights of the past 28 days, by the similarity of their last three hours to today's.

    A holiday turns out similar to Sundays without a calendar (method of analogues: Lorenz,
    "Atmospheric predictability as revealed by naturally occurring analogues", 1969). The distance
    of two days is the mean squared difference of root counts over all zones; older days have less
    weight.
    """

    _HOURS = 3
    _WIDTH = 0.1
    _HALF_LIFE_DAYS = 21.0
    _AGE = 0.5 ** (np.arange(1, DAYS + 1) / _HALF_LIFE_DAYS)

    def __init__(self) -> None:
        self._distances = np.full((self._HOURS, DAYS), np.nan)  # oldest hour first

    def append(self, root_counts: Floats) -> None:
        """Compare the last hour of `root_counts`, `float64[hours, zones]`, with past days."""
        past = root_counts[-1 - HOURS_PER_DAY :: -HOURS_PER_DAY][:DAYS]
        latest = np.full(DAYS, np.nan)
        latest[: len(past)] = np.square(past - root_counts[-1]).mean(axis=1)
        self._distances = np.vstack((self._distances[1:], latest))

    def weights(self) -> Floats:
        """Return the weights of the days 1, 2, 3, ... back, which sum to 1.

        Only days for which all of the last hours are known have a weight, so there may be fewer
        than 28.
        """
        distance = self._distances.mean(axis=0)
        known: Floats = distance[~np.isnan(distance)]
        if not len(known):
            return known
        weights: Floats = np.exp(-(known - known.min()) / self._WIDTH) * self._AGE[: len(known)]
        weights /= weights.sum()
        return weights
