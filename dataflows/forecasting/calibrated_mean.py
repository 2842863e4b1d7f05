"""The expected number of rides, calibrated on the predictions and rides of the past.

The forecasters predict square roots. The square of a mean root lies below the mean of the rides,
near their median. That is what the mean absolute error asks for, but it is zero where a zone mostly
has no ride, so sums of such predictions are too small. How far below depends on how rides spread
around their predictions, which differs from the busiest zones to the quietest (the bias of a
retransformation: Duan, "Smearing estimate", 1983).
"""

import numpy as np
import numpy.typing as npt

from rushhour.core.arrays import Counts, Floats

# Rides at which a new group begins: by the mean of both predictors.
_GROUP_EDGES = (0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0, 100.0)
_GROUPS = len(_GROUP_EDGES) + 1
_ASTRAY_FACTOR, _ASTRAY_RIDES = 10.0, 100.0


class CalibratedMean:
    """Rides as a weighted sum of the predicted median and of the usual rides of zone and hour.

    The weights are learned in groups of similar demand, by least squares with forgetting. A pair is
    weighted by the inverse of the variance that a Poisson count of its size has. Before there is
    anything to learn from, and in groups with few pairs, the mean is near the median.
    """

    _FORGETTING_FACTOR = 0.995  # per hour
    _RIDGE = 1.0
    _LEAST_VARIANCE = 0.02

    def __init__(self) -> None:
        # In each group: the sums of the weighted products of both predictors with themselves and
        # each other, and of each with the rides.
        self._sums = np.zeros((5, _GROUPS))

    def predict(self, median: Floats, usual: Floats) -> Floats:
        """Return the expected rides of an hour, `float64[zones]`, never negative.

        Parameters
        ----------
        median
            Predicted medians, `float64[zones]`.
        usual
            Usual rides of the hour, `float64[zones]`.
        """
        # The solution of two equations for each group; the ridge pulls the weights to 1 and 0.
        a, b, d, first, second = self._sums
        a, d, first = a + self._RIDGE, d + self._RIDGE, first + self._RIDGE
        determinant = np.maximum(a * d - b * b, self._RIDGE**2)  # but for rounding it is
        groups = _groups_of(median, usual)
        of_median = ((d * first - b * second) / determinant)[groups]
        of_usual = ((a * second - b * first) / determinant)[groups]
        mean: Floats = np.maximum(of_median * median + of_usual * usual, 0.0)
        return mean

    def update(self, rides: Counts, median: Floats, usual: Floats) -> None:
        """Learn the rides of an hour from what was predicted for it."""
        groups = _groups_of(median, usual)
        weights = 1.0 / ((median + usual) / 2 + self._LEAST_VARIANCE)
        # A model has gone astray: its hour would outweigh all others for months.
        weights[median > _ASTRAY_FACTOR * (usual + rides) + _ASTRAY_RIDES] = 0.0
        products = (median * median, median * usual, usual * usual, median * rides, usual * rides)
        self._sums *= self._FORGETTING_FACTOR
        self._sums += [np.bincount(groups, weights * product, _GROUPS) for product in products]


def _groups_of(median: Floats, usual: Floats) -> npt.NDArray[np.int64]:
    return np.digitize((median + usual) / 2, _GROUP_EDGES)
