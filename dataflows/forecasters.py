"""The forecasters: one online River model that is served, and baselines scored beside it.

Each answers `predict_many` for all zones at once and learns with `learn_many` once the
hour is over. A new forecaster is one class and one line in `forecasters()`.
"""

from typing import Protocol

import numpy as np
import numpy.typing as npt
import pandas as pd
from river import compose, linear_model

from core import models
from core.zones import ZONE_COUNT
from dataflows import features

Floats = npt.NDArray[np.float64]


class Forecaster(Protocol):
    """Predicts the rides of every zone in the next hour."""

    @property
    def name(self) -> str:
        """The name that events and Redis keys use."""

    def predict_many(self, x: pd.DataFrame) -> Floats:
        """Return predicted rides, `float64[len(x)]`; NaN where there is no past to speak from."""

    def learn_many(self, x: pd.DataFrame, rides: npt.NDArray[np.int64]) -> None:
        """Learn what an hour brought, from the features that were known before it."""


class OnlineRegression:
    """A River pipeline over all zones: Bayesian linear regression of the square root of rides.

    It forgets the past by 3 % an hour, so that it follows the season. River forgets its
    prior along with the past, and would end up inverting a matrix that says nothing of
    features that were always zero; so each hour brings the prior anew, as one made-up row
    per feature (ridge regression by data augmentation: Hastie, Tibshirani and Friedman, "The
    Elements of Statistical Learning", exercise 3.12).
    """

    name = models.SERVED
    _KEPT_PER_HOUR = 0.97
    _PRIOR = 0.5
    _ROWS_PER_HOUR = ZONE_COUNT + len(features.MODEL_FEATURES)

    def __init__(self) -> None:
        # River forgets row by row, hence the root.
        regression = linear_model.BayesianLinearRegression(
            smoothing=self._KEPT_PER_HOUR ** (1 / self._ROWS_PER_HOUR)
        )
        select = compose.FuncTransformer(_model_features)  # type: ignore[arg-type]  # typed for dicts
        self._pipeline = select | regression

    def predict_many(self, x: pd.DataFrame) -> Floats:
        """Return predicted rides of all zones, never negative."""
        level = np.asarray(self._pipeline.predict_many(x), dtype=np.float64)
        return np.square(np.maximum(level, 0.0))

    def learn_many(self, x: pd.DataFrame, rides: npt.NDArray[np.int64]) -> None:
        """Learn one hour of all zones."""
        selected = _model_features(x)
        prior = np.eye(selected.shape[1]) * self._PRIOR
        rows = pd.DataFrame(np.vstack((prior, selected.to_numpy())), columns=selected.columns)
        levels = np.concatenate((np.zeros(len(prior)), np.sqrt(rides.astype(np.float64))))
        self._pipeline.learn_many(rows, pd.Series(levels))


class Repeat:
    """A baseline that repeats one past hour: it has nothing to learn."""

    def __init__(self, name: str, column: str) -> None:
        self.name = name
        self._column = column

    def predict_many(self, x: pd.DataFrame) -> Floats:
        """Return the rides of that past hour; NaN while there is none."""
        return x[self._column].to_numpy(np.float64)

    def learn_many(self, x: pd.DataFrame, rides: npt.NDArray[np.int64]) -> None:
        """Do nothing: the features already hold the past."""


def forecasters() -> tuple[Forecaster, ...]:
    """Return fresh forecasters; the first is the one that is served."""
    return (
        OnlineRegression(),
        Repeat(models.LAST_HOUR, features.RIDES_LAST_HOUR),
        Repeat(models.SAME_HOUR_YESTERDAY, features.RIDES_YESTERDAY),
        Repeat(models.SAME_HOUR_LAST_WEEK, features.RIDES_LAST_WEEK),
    )


def _model_features(x: pd.DataFrame) -> pd.DataFrame:
    """Select the model's columns, which come first, in their order.

    `compose.Select` keeps its columns in a set: their order, and with it the last digits of
    every prediction, would change from process to process.
    """
    return x.iloc[:, : len(features.MODEL_FEATURES)]
