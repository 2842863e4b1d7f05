"""One regression for each zone, of the residuals of the city's regression."""

import numpy as np

from dataflows.forecasting.features import MODEL_FEATURES, Features
from dataflows.forecasting.forecasters.base import to_rides
from dataflows.forecasting.forecasters.city_regression import CityRegression
from rushhour.core.arrays import Counts, Floats
from rushhour.core.zones import ZONE_COUNT


class ZoneRegression:
    """The city's regression with a correction for each zone.

    A regression per zone predicts the residual of the city's regression from the same features. All
    of them are solved as one stack, because River would learn them one row at a time. Each is a
    recursive least squares with forgetting and a ridge, kept as its normal equations (Haykin,
    "Adaptive Filter Theory", the chapter on the RLS algorithm).

    Parameters
    ----------
    city
        The city's regression, which the engine predicts with and updates as a model of its own. It
        must learn each hour before this one does.
    """

    name = "zone_regression"
    _FORGETTING_FACTOR = 0.995  # per hour
    _RIDGE = 60.0

    def __init__(self, city: CityRegression) -> None:
        count = len(MODEL_FEATURES)
        self._city = city
        self._hours = city.hours
        self._gram = np.zeros((ZONE_COUNT, count, count))
        self._moment = np.zeros((ZONE_COUNT, count))
        self._weights: Floats = np.zeros((ZONE_COUNT, count))

    def predict_many(self, x: Features) -> Floats:
        """Return predicted rides of all zones, never negative."""
        correction = (x.matrix(MODEL_FEATURES) * self._weights).sum(axis=1)
        return to_rides(self._city.predict_root_counts(x) + correction)

    def learn_many(self, x: Features, rides: Counts) -> None:
        """Learn the residuals of one hour, which the city's regression has just learned.

        Raises
        ------
        RuntimeError
            If the city's regression has not learned the hour.
        """
        if self._city.hours <= self._hours:
            raise RuntimeError("the city's regression must learn each hour before the zones' do")
        self._hours = self._city.hours
        own = x.matrix(MODEL_FEATURES)
        self._gram *= self._FORGETTING_FACTOR
        self._gram += own[:, :, np.newaxis] * own[:, np.newaxis, :]
        self._moment *= self._FORGETTING_FACTOR
        self._moment += own * self._city.residual[:, np.newaxis]
        ridge = self._RIDGE * np.eye(own.shape[1])
        solved = np.linalg.solve(self._gram + ridge, self._moment[..., np.newaxis])
        self._weights = np.asarray(solved[..., 0], np.float64)
