"""Demand bands: zones and hours of similar demand, by their prediction.

Coverage is reported for each band, so that many quiet zones do not hide the busy ones.
"""

import numpy as np
import numpy.typing as npt

from rushhour.core.arrays import Floats

# Predicted rides per hour at which the next band begins.
_EDGES = (1, 5, 20, 100)
BANDS = ("0-1", "1-5", "5-20", "20-100", "100+")


def band_of(predicted: Floats) -> npt.NDArray[np.int64]:
    """Return the index of the band of each prediction, in rides per hour.

    >>> band_of(np.array([0.0, 0.99, 1.0, 19.9, 400.0])).tolist()
    [0, 0, 1, 2, 4]
    """
    return np.digitize(predicted, _EDGES)


def sum_by_band(values: npt.NDArray[np.generic], predicted: Floats) -> Floats:
    """Return the sum of `values` in each of `BANDS`, by the predictions of the same shape.

    >>> sum_by_band(np.array([1.0, 2.0, 4.0]), np.array([0.5, 7.0, 7.0])).tolist()
    [1.0, 0.0, 6.0, 0.0, 0.0]
    """
    bands = band_of(predicted).ravel()
    weights = values.astype(np.float64).ravel()
    sums: Floats = np.bincount(bands, weights, minlength=len(BANDS)).astype(np.float64)
    return sums
