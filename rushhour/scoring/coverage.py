"""Coverage: the share of rides within their prediction interval, both ends included."""

from typing import Any

import numpy as np
import numpy.typing as npt

from rushhour.core.arrays import Floats


def is_covered(rides: npt.NDArray[Any], lower: Floats, upper: Floats) -> Floats:
    """Return 1 for rides within their interval and 0 for others; NaN where either is unknown.

    >>> is_covered(np.array([2, 5]), np.array([2.0, 2.0]), np.array([4.0, 4.0])).tolist()
    [1.0, 0.0]
    """
    covered = (lower <= rides) & (rides <= upper)
    return np.where(np.isnan(lower) | np.isnan(upper) | np.isnan(rides), np.nan, covered)
