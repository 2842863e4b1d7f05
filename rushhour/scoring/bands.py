"""Demand bands: zones and hours of like demand, by what was predicted for them.

Coverage is watched in each band, so that many quiet zones do not hide what busy ones get.
"""

import numpy as np
import numpy.typing as npt

# Predicted rides an hour at which the next band begins.
_EDGES = (1, 5, 20, 100)
BANDS = ("0-1", "1-5", "5-20", "20-100", "100+")


def band_of(predicted: npt.NDArray[np.float64]) -> npt.NDArray[np.int64]:
    """Return the index of the band of each prediction, in rides an hour.

    >>> band_of(np.array([0.0, 0.99, 1.0, 19.9, 400.0])).tolist()
    [0, 0, 1, 2, 4]
    """
    return np.digitize(predicted, _EDGES)
