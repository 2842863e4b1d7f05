"""The interface of a forecaster, and the regression that the learning ones are built from."""

import copy
from typing import Any, Protocol

import numpy as np
import pandas as pd
from river import compose, linear_model

from dataflows.forecasting import features
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

    def predict_many(self, x: pd.DataFrame) -> Floats:
        """Return predicted rides, `float64[zones]`; NaN without enough history.

        `x` has one row per zone and the columns of `RideHistory.features`.
        """

    def learn_many(self, x: pd.DataFrame, rides: Counts) -> None:
        """Learn the rides of an hour, `int64[zones]`, from the features of its forecast."""


class RootCountRegression:
    """A River pipeline over all zones: Bayesian linear regression of the square root of rides.

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
    _ROWS_PER_HOUR = ZONE_COUNT + len(features.MODEL_FEATURES)

    def __init__(self, forgetting_factor: float) -> None:
        # River forgets with each row, hence the root.
        regression = linear_model.BayesianLinearRegression(
            smoothing=forgetting_factor ** (1 / self._ROWS_PER_HOUR)
        )
        select = compose.FuncTransformer(_model_features)  # type: ignore[arg-type]  # typed for dicts
        self._pipeline = select | regression

    def __deepcopy__(self, memo: dict[int, Any]) -> "RootCountRegression":
        """Return a copy that shares the pipeline, which is replaced and never changed."""
        return copy.copy(self)

    def predict_many(self, x: pd.DataFrame) -> Floats:
        """Return predicted square roots of rides, possibly negative."""
        return np.asarray(self._pipeline.predict_many(x), dtype=np.float64)

    def learn_many(self, x: pd.DataFrame, rides: Counts) -> None:
        """Learn one hour of all zones. A row of weight w counts w times."""
        seasonal_mean = np.maximum(x[features.SEASONAL_MEAN].to_numpy(), _MIN_SEASONAL_MEAN)
        root_weight = seasonal_mean ** (_WEIGHT_POWER / 2)
        selected = _model_features(x)
        weighted = selected.to_numpy() * root_weight[:, np.newaxis]
        prior = np.sqrt(self._PRIOR_PRECISION) * np.eye(selected.shape[1])
        rows = pd.DataFrame(np.vstack((prior, weighted)), columns=selected.columns)
        root_counts = np.concatenate((np.zeros(len(prior)), np.sqrt(rides) * root_weight))
        pipeline = copy.deepcopy(self._pipeline)
        pipeline.learn_many(rows, pd.Series(root_counts))
        self._pipeline = pipeline


def to_rides(root_counts: Floats) -> Floats:
    """Return the rides of predicted root counts, never negative."""
    return np.square(np.maximum(root_counts, 0.0))


def _model_features(x: pd.DataFrame) -> pd.DataFrame:
    """Select the model's columns, which come first, in their order.

    `compose.Select` keeps its columns in a set, so their order, and with it the last digits of
    every prediction, would differ from process to process.
    """
    return x.iloc[:, : len(features.MODEL_FEATURES)]
