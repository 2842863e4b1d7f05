"""What the regressions of a horizon learn: a correction of the mean of past weeks."""

import numpy as np

from dataflows.forecasting.features import Features
from dataflows.forecasting.horizons.features import AHEAD_FEATURES, DAYS_OF_TYPE, WEEKS
from rushhour.core.arrays import Floats

# As in `dataflows.forecasting.forecasters.base`: rows of busy zones weigh more.
_WEIGHT_POWER = 0.6
_MIN_ROOT_COUNT = 0.1


def usual(x: Features) -> Floats:
    """Return the root counts that are corrected: those of past weeks and of days of the type."""
    return (x[WEEKS] + x[DAYS_OF_TYPE]) / 2


def row_weights(x: Features) -> Floats:
    """Return how much the row of each zone counts, `float64[zones]`."""
    weights: Floats = np.maximum(x[WEEKS], _MIN_ROOT_COUNT) ** _WEIGHT_POWER
    return weights


class CorrectionRegression:
    """A ridge regression over all zones, of root counts minus the usual ones.

    A recursive least squares with forgetting, kept as its normal equations (Haykin, "Adaptive
    Filter Theory", the chapter on the RLS algorithm).

    Parameters
    ----------
    forgetting_factor
        Weight of an hour's rows after one more hour is learned, in (0, 1).
    """

    _RIDGE = 1.0  # for each hour that the regression remembers

    def __init__(self, forgetting_factor: float) -> None:
        count = len(AHEAD_FEATURES)
        self._factor = forgetting_factor
        self._gram = np.zeros((count, count))
        self._moment = np.zeros(count)
        self._ridge = self._RIDGE / (1.0 - forgetting_factor) * np.eye(count)
        self._coefficients: Floats = np.zeros(count)

    def predict_many(self, x: Features) -> Floats:
        """Return the correction of the usual root counts, `float64[zones]`."""
        correction: Floats = x.matrix(AHEAD_FEATURES) @ self._coefficients
        return correction

    def learn_many(self, x: Features, correction: Floats) -> None:
        """Learn what the correction should have been, `float64[zones]`."""
        rows = x.matrix(AHEAD_FEATURES)
        weighted = rows * row_weights(x)[:, np.newaxis]
        self._gram = self._factor * self._gram + weighted.T @ rows
        self._moment = self._factor * self._moment + weighted.T @ correction
        solved = np.linalg.solve(self._gram + self._ridge, self._moment)
        self._coefficients = np.asarray(solved, np.float64)


class Shrinkage:
    """How far corrections are to be trusted: a factor of 0 to 1, learned from how they fared.

    It is the slope of what the corrections should have been over what they were, by weighted least
    squares with forgetting. The regressions follow the last days closely, which pays an hour ahead
    and less and less further on.
    """

    _FORGETTING_FACTOR = 0.98  # per hour
    _PRIOR = (1.0, 2.0)  # a half, until there is something to learn from

    def __init__(self) -> None:
        self._product, self._square = 0.0, 0.0

    @property
    def factor(self) -> float:
        """What to multiply a correction by."""
        product, square = self._PRIOR
        return min(max((self._product + product) / (self._square + square), 0.0), 1.0)

    def update(self, weights: Floats, predicted: Floats, actual: Floats) -> None:
        """Learn from the corrections of an hour, predicted and actual: `float64[zones]` each."""
        factor = self._FORGETTING_FACTOR
        self._product = factor * self._product + float((weights * predicted * actual).sum())
        self._square = factor * self._square + float((weights * np.square(predicted)).sum())
