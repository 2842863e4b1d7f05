"""The weighted interval score: of a median and its interval, in rides, the smaller the better.

It is half the absolute error of the median, plus the width of the interval, weighted by the share
of rides that may lie on either side of it, plus the distance to rides outside of it; divided by
1.5, so that an interval without width scores as its median does (Bracher, Ray, Gneiting and Reich,
"Evaluating epidemic forecasts in an interval format", 2021, with one interval).
"""

from typing import Any

import numpy as np
import numpy.typing as npt

from rushhour.core.arrays import Floats
from rushhour.core.models import NOMINAL_COVERAGE

_TAIL = (1.0 - NOMINAL_COVERAGE) / 2


def weighted_interval_score(
    rides: npt.NDArray[Any], median: Floats, lower: Floats, upper: Floats
) -> Floats:
    """Return the score of each pair; NaN where rides, median or interval are unknown.

    >>> rides, median = np.array([4, 9]), np.array([4.0, 4.0])
    >>> lower, upper = np.array([4.0, 2.0]), np.array([4.0, 8.0])
    >>> weighted_interval_score(rides, median, lower, upper).round(4).tolist()
    [0.0, 2.5333]
    """
    outside = np.maximum(lower - rides, 0.0) + np.maximum(rides - upper, 0.0)
    width = _TAIL * (upper - lower)
    score: Floats = (0.5 * np.abs(rides - median) + width + outside) / 1.5
    return score
