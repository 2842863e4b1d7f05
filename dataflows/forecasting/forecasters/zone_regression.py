"""One regression for each zone, of what the city's regression leaves over."""

import numpy as np
import pandas as pd

from dataflows.forecasting import features
from dataflows.forecasting.forecasters.base import RootCountRegression, to_rides
from rushhour.core.arrays import Counts, Floats
from rushhour.core.zones import ZONE_COUNT


class ZoneRegression:
    """The city's regression, put right for each zone by a small regression of its own.

    The small ones learn how the errors of the city's go with a few features. There are 265 of
    them, so they are solved as one stack: River would take them one row at a time. Each is a
    recursive least squares with forgetting and a ridge (Haykin, "Adaptive Filter Theory", the
    chapter on the RLS algorithm), kept as its normal equations.
    """

    name = "zone_regression"
    _CITY_KEPT_PER_HOUR = 0.95
    _KEPT_PER_HOUR = 0.995
    _RIDGE = 20.0

    def __init__(self) -> None:
        count = len(features.ZONE_FEATURES)
        self._city = RootCountRegression(self._CITY_KEPT_PER_HOUR)
        self._gram = np.zeros((ZONE_COUNT, count, count))
        self._moment = np.zeros((ZONE_COUNT, count))
        self._weights: Floats = np.zeros((ZONE_COUNT, count))

    def predict_many(self, x: pd.DataFrame) -> Floats:
        """Return predicted rides of all zones, never negative."""
        own = (_zone_features(x) * self._weights).sum(axis=1)
        return to_rides(self._city.predict_many(x) + own)

    def learn_many(self, x: pd.DataFrame, rides: Counts) -> None:
        """Learn one hour of all zones."""
        left_over = np.sqrt(rides) - self._city.predict_many(x)
        self._city.learn_many(x, rides)
        own = _zone_features(x)
        self._gram *= self._KEPT_PER_HOUR
        self._gram += own[:, :, np.newaxis] * own[:, np.newaxis, :]
        self._moment *= self._KEPT_PER_HOUR
        self._moment += own * left_over[:, np.newaxis]
        ridge = self._RIDGE * np.eye(own.shape[1])
        solved = np.linalg.solve(self._gram + ridge, self._moment[..., np.newaxis])
        self._weights = np.asarray(solved[..., 0], np.float64)


def _zone_features(x: pd.DataFrame) -> Floats:
    return x[list(features.ZONE_FEATURES)].to_numpy(np.float64)
