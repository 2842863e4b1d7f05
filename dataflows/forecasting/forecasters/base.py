"""The interface of a forecaster, and the regression that the learning ones are built from."""

import copy
from typing import Any, Protocol

import numpy as np
from river.linear_model.bayesian_lin_reg import BayesianLinearRegression

from dataflows.forecasting.features import MODEL_FEATURES, SEASONAL_MEAN, Features
from dataflows.forecasting.river_rows import coefficients, learn_rows
from rushhour.core.arrays import Counts, Floats
from rushhour.core.zones import ZONE_COUNT

# Errors of busy zones weigh more in the mean absolute error than among square roots, so rows are
# weighted by this power of the seasonal mean: the best of 0, 0.3, 0.5, 0.7 and 1, all of which were
# within 0.7 %.
_WEIGHT_POWER = 0.6
_MIN_SEASONAL_MEAN = 0.1


class Forecaster(Protocol):
    """Predicts the rides of every zone in the next hour."""

    @property
    def name(self) -> str:
        """Name of the model in events and Redis keys: lower-case words joined by `_`."""

    def predict_many(self, x: Features) -> Floats:
        """Return predicted rides, `float64[zones]`; NaN without enough history.

        `x` is what `RideHistory.features` returns.
        """

    def learn_many(self, x: Features, rides: Counts) -> None:
        """Learn the rides of an hour, `int64[zones]`, from the features of its forecast."""


class RootCountRegression:
    """A regression of River over all zones: Bayesian, linear, of the square root of rides.

    It forgets exponentially, which lets it follow the season. River forgets the prior along with
    the data, and would eventually invert a matrix that has no information on features that were
    always zero. So each hour adds the prior again, as one artificial row per feature (ridge
    regression by data augmentation: Hastie, Tibshirani and Friedman, "The Elements of Statistical
    Learning", exercise 3.12).

    Parameters
    ----------
    forgetting_factor
        Weight of an hour's rows after one more hour is learned, in (0, 1).
    """

    _PRIOR_PRECISION = 0.5
    _ROWS_PER_HOUR = ZONE_COUNT + len(MODEL_FEATURES)

    def __init__(self, forgetting_factor: float) -> None:
        # River forgets with each row, hence the root.
        self._model = BayesianLinearRegression(
            smoothing=forgetting_factor ** (1 / self._ROWS_PER_HOUR)
        )

    def __deepcopy__(self, memo: dict[int, Any]) -> "RootCountRegression":
        """Return the regression itself: it never changes."""
        return self

    def predict_many(self, x: Features) -> Floats:
        """Return predicted square roots of rides, possibly negative."""
        predicted: Floats = x.matrix(MODEL_FEATURES) @ coefficients(self._model, MODEL_FEATURES)
        return predicted

    def learned(self, x: Features, rides: Counts) -> "RootCountRegression":
        """Return a regression that has also learned an hour. A row of weight w counts w times."""
        root_weight = np.maximum(x[SEASONAL_MEAN], _MIN_SEASONAL_MEAN) ** (_WEIGHT_POWER / 2)
        prior = np.sqrt(self._PRIOR_PRECISION) * np.eye(len(MODEL_FEATURES))
        weighted = x.matrix(MODEL_FEATURES) * root_weight[:, np.newaxis]
        rows = np.asfortranarray(np.vstack((prior, weighted)))
        root_counts = np.concatenate((np.zeros(len(prior)), np.sqrt(rides) * root_weight))
        learned = copy.copy(self)
        learned._model = copy.deepcopy(self._model)
        learn_rows(learned._model, MODEL_FEATURES, rows, root_counts)
        return learned


def to_rides(root_counts: Floats) -> Floats:
    """Return the rides of predicted root counts, never negative."""
    return np.square(np.maximum(root_counts, 0.0))
