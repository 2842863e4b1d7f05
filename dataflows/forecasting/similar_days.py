"""Past days that went like today: what came then is likely to come now."""

import numpy as np

from rushhour.core.arrays import Floats
from rushhour.core.hours import HOURS_PER_DAY

DAYS = 28


class SimilarDays:
    """Weights of the past 28 days, by how much the last three hours were like theirs.

    A holiday is found to go like Sundays without a calendar (method of analogues: Lorenz,
    "Atmospheric predictability as revealed by naturally occurring analogues", 1969). Likeness is
    the mean squared difference of levels over all zones; older days weigh less.
    """

    _HOURS = 3
    _WIDTH = 0.1
    _HALF_LIFE_DAYS = 21.0
    _AGE = 0.5 ** (np.arange(1, DAYS + 1) / _HALF_LIFE_DAYS)

    def __init__(self) -> None:
        self._differences = np.full((self._HOURS, DAYS), np.nan)  # oldest hour first

    def append(self, levels: Floats) -> None:
        """Compare the last hour of `levels`, `float64[hours, zones]`, with that of past days."""
        past = levels[-1 - HOURS_PER_DAY :: -HOURS_PER_DAY][:DAYS]
        latest = np.full(DAYS, np.nan)
        latest[: len(past)] = np.square(past - levels[-1]).mean(axis=1)
        self._differences = np.vstack((self._differences[1:], latest))

    def weights(self) -> Floats:
        """Return the weights of the days 1, 2, 3, ... back, which add up to 1.

        Days that are not known for all of the last hours are left out.
        """
        difference = self._differences.mean(axis=0)
        known: Floats = difference[~np.isnan(difference)]
        if not len(known):
            return known
        weights: Floats = np.exp(-(known - known.min()) / self._WIDTH) * self._AGE[: len(known)]
        weights /= weights.sum()
        return weights
