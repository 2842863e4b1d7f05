"""The scores of the last hours, in order by group: each hour, only one hour of them is new."""

import numpy as np

from rushhour.core.arrays import Floats, Ints


class ScoreWindow:
    """The scores of a window of hours, each in a group.

    They are kept in order, as complex numbers: NumPy sorts those by their real part, the group, and
    then by their imaginary part, the score.

    Parameters
    ----------
    hours
        Length of the window, at most 256.
    groups
        Number of groups, which are numbered from 0.
    """

    def __init__(self, hours: int, groups: int) -> None:
        self._hours = hours
        self._sorted = np.empty(0, np.complex128)
        self._slots = np.empty(0, np.uint8)  # the hour of each score, modulo the window
        # Of each group: before its smallest score. And one more, after all groups.
        self._bounds = np.array([complex(group, -np.inf) for group in range(groups + 1)])

    def replace(self, hour: int, groups: Ints, scores: Floats) -> None:
        """Add the scores of an hour in place of those of a window ago, or of the same hour.

        Parameters
        ----------
        hour
            Number of the hour.
        groups, scores
            The group of each score, and the scores: arrays of the same length.
        """
        slot = hour % self._hours
        kept = self._slots != slot
        rest, new = self._sorted[kept], np.sort(groups + 1j * scores)
        places = rest.searchsorted(new)
        self._sorted = np.insert(rest, places, new)
        self._slots = np.insert(self._slots[kept], places, slot)

    def quantiles(self, tail: float, at_least: int) -> tuple[Floats, Floats]:
        """Return the lower and the upper quantile of each group, `float64[groups]` each.

        With n scores, they are those of rank floor(tail * (n + 1)) from below and from above; NaN
        in groups of fewer than `at_least` scores. That must be enough for a rank of 1.
        """
        starts = self._sorted.searchsorted(self._bounds)
        counts = np.diff(starts)
        rank = np.floor(tail * (counts + 1)).astype(np.int64)
        known = counts >= at_least
        low, high = np.full((2, len(counts)), np.nan)
        low[known] = self._sorted.imag[(starts[:-1] + rank - 1)[known]]
        high[known] = self._sorted.imag[(starts[1:] - rank)[known]]
        return low, high
