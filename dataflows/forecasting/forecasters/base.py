"""What a forecaster is, and the regression that the learning ones are built from."""

from typing import Protocol

import numpy as np
import pandas as pd
from river import compose, linear_model

from dataflows.forecasting import features
from rushhour.core.arrays import Counts, Floats
from rushhour.core.zones import ZONE_COUNT

# Errors of busy zones weigh more in the mean absolute error than they do among square roots. This
# power of the expected level was the best of 0, 0.3, 0.5, 0.7 and 1; all were within 0.7 %.
_WEIGHT_POWER = 0.6
_LEAST_LEVEL = 0.1


class Forecaster(Protocol):
    """Predicts the rides of every zone in the next hour."""

    @property
    def name(self) -> str:
        """The name that events and Redis keys use: lower-case words joined by `_`."""

    def predict_many(self, x: pd.DataFrame) -> Floats:
        """Return predicted rides, `float64[len(x)]`; NaN where there is no past to speak from.

        `x` has the columns of `dataflows.forecasting.features`, and one row a zone.
        """

    def learn_many(self, x: pd.DataFrame, rides: Counts) -> None:
        """Learn what an hour brought, from the features that were known before it."""


class RootCountRegression:
    """A River pipeline over all zones: Bayesian linear regression of the square root of rides.

    It forgets the past by a share of each hour that it learns, so that it follows the season.
    River forgets its prior along with the past, and would end up inverting a matrix that says
    nothing of features that were always zero; so each hour brings the prior restart, as one made-up
    row per feature (ridge regression by data augmentation: Hastie, Tibshirani and Friedman, "The
    Elements of Statistical Learning", exercise 3.12).
    """

    _PRIOR = 0.5
    _ROWS_PER_HOUR = ZONE_COUNT + len(features.MODEL_FEATURES)

    def __init__(self, kept_per_hour: float) -> None:
        # River forgets row by row, hence the root.
        regression = linear_model.BayesianLinearRegression(
            smoothing=kept_per_hour ** (1 / self._ROWS_PER_HOUR)
        )
        select = compose.FuncTransformer(_model_features)  # type: ignore[arg-type]  # typed for dicts
        self._pipeline = select | regression

    def predict_many(self, x: pd.DataFrame) -> Floats:
        """Return predicted levels: square roots of rides, possibly below zero."""
        return np.asarray(self._pipeline.predict_many(x), dtype=np.float64)

    def learn_many(self, x: pd.DataFrame, rides: Counts) -> None:
        """Learn one hour of all zones. A row of weight w counts w times."""
        level = np.maximum(x[features.LEVEL].to_numpy(), _LEAST_LEVEL)
        root_weight = level ** (_WEIGHT_POWER / 2)
        selected = _model_features(x)
        weighted = selected.to_numpy() * root_weight[:, np.newaxis]
        prior = np.sqrt(self._PRIOR) * np.eye(selected.shape[1])
        rows = pd.DataFrame(np.vstack((prior, weighted)), columns=selected.columns)
        levels = np.concatenate((np.zeros(len(prior)), np.sqrt(rides) * root_weight))
        self._pipeline.learn_many(rows, pd.Series(levels))


def to_rides(levels: Floats) -> Floats:
    """Return the rides that levels stand for, never negative."""
    return np.square(np.maximum(levels, 0.0))


def _model_features(x: pd.DataFrame) -> pd.DataFrame:
    """Select the model's columns, which come first, in their order.

    `compose.Select` keeps its columns in a set: their order, and with it the last digits of
    every prediction, would change from process to process.
    """
    return x.iloc[:, : len(features.MODEL_FEATURES)]
