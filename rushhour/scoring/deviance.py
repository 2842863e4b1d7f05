"""Poisson deviance: how far rides are from their expected numbers, by the scale of counts.

An error of five rides is large where two were expected, and small where five hundred were
(McCullagh and Nelder, "Generalized Linear Models", chapter 2).
"""

from typing import Any

import numpy as np
import numpy.typing as npt

from rushhour.core.arrays import Floats
from rushhour.core.models import DECIMALS

# A ride where none at all was expected would be infinitely far: what is expected counts as this.
_LEAST_MEAN = 10.0**-DECIMALS


def poisson_deviance(rides: npt.NDArray[Any], mean: Floats) -> Floats:
    """Return the deviance of each pair, 0 where rides are as expected; NaN where unknown.

    >>> poisson_deviance(np.array([4, 0, 2]), np.array([4.0, 0.5, np.nan])).tolist()
    [0.0, 1.0, nan]
    """
    mean = np.maximum(mean, _LEAST_MEAN)
    # Without rides the first term is 0.
    deviance: Floats = 2.0 * (rides * np.log(np.maximum(rides, 1) / mean) - rides + mean)
    return deviance
