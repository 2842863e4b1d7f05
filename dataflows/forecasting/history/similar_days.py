"""Past days that resemble today."""

import numpy as np

from rushhour.core.arrays import Floats
from rushhour.core.hours import HOURS_PER_DAY
from rushhour.core.zones import ZONE_COUNT

DAYS = 28


class SimilarDays:
    """Weights of the past 28 days in each zone, by the similarity of their last hours to today's.

    A holiday turns out similar to Sundays without a calendar (method of analogues: Lorenz,
    "Atmospheric predictability as revealed by naturally occurring analogues", 1969). The distance
    of two days is the mean squared difference of root counts in the last three hours. That of the
    city, over all zones, decides most; that of the zone itself has a say where they differ much,
    for its few rides are noisy. Older days have less weight.
    """

    _HOURS = 3
    _CITY_WIDTH = 0.1
    _ZONE_WIDTH = 1.0
    _HALF_LIFE_DAYS = 21.0
    _AGE = 0.5 ** (np.arange(1, DAYS + 1) / _HALF_LIFE_DAYS)

    def __init__(self) -> None:
        self._squares = np.full((self._HOURS, DAYS, ZONE_COUNT), np.nan)  # oldest hour first

    def append(self, root_counts: Floats) -> None:
        """Compare the last hour of `root_counts`, `float64[hours, zones]`, with past days."""
        past = root_counts[-1 - HOURS_PER_DAY :: -HOURS_PER_DAY][:DAYS]
        self._squares[:-1] = self._squares[1:]
        self._squares[-1] = np.nan
        self._squares[-1, : len(past)] = np.square(past - root_counts[-1])

    def weights(self) -> Floats:
        """Return the weights of the days 1, 2, 3, ... back, `float64[days, zones]`.

        They sum to 1 in each zone. Only days for which all of the last hours are known have a
        weight, so there may be fewer than 28.
        """
        distance = self._squares.mean(axis=0)
        known: Floats = distance[~np.isnan(distance[:, 0])]
        if not len(known):
            return known
        city = known.mean(axis=1, keepdims=True)
        of_city = (city - city.min()) / self._CITY_WIDTH
        of_zone = (known - known.min(axis=0)) / self._ZONE_WIDTH
        weights: Floats = np.exp(-of_city - of_zone) * self._AGE[: len(known), np.newaxis]
        weights /= weights.sum(axis=0)
        return weights
