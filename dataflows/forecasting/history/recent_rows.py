"""The last rows of a table that grows by one row at a time."""

import numpy as np

from rushhour.core.arrays import Floats

_SPARE = 128  # rows that are added before the others are moved to make room


class RecentRows:
    """The last rows of a table, without copying all of them for each new one.

    Parameters
    ----------
    limit
        The most rows that are kept.
    columns
        Number of columns.
    """

    def __init__(self, limit: int, columns: int) -> None:
        self._limit = limit
        self._space = np.zeros((limit + _SPARE, columns))
        self._end = 0

    @property
    def rows(self) -> Floats:
        """The rows, `float64[rows, columns]`, oldest first. Valid until the next one is added."""
        return self._space[max(self._end - self._limit, 0) : self._end]

    def append(self, row: Floats) -> None:
        """Add a row, `float64[columns]`; forget the oldest one if there are too many."""
        if self._end == len(self._space):
            self._space[: self._limit] = self.rows
            self._end = self._limit
        self._space[self._end] = row
        self._end += 1
