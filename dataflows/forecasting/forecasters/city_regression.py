"""One regression for all zones."""

import numpy as np

from dataflows.forecasting.features import Features
from dataflows.forecasting.forecasters.base import RootCountRegression, to_rides
from rushhour.core.arrays import Counts, Floats
from rushhour.core.zones import ZONE_COUNT


class CityRegression:
    """One regression for all zones and hours, with a short memory.

    The last day has most of the weight, so the regression adapts to how closely today follows past
    weeks and the last hour.

    Attributes
    ----------
    hours
        Number of hours learned.
    residual
        `float64[zones]`: the root counts of the last hour learned, minus those predicted before
        the regression learned that hour.
    """

    name = "city_regression"
    _FORGETTING_FACTOR = 0.93  # per hour

    def __init__(self) -> None:
        self._regression = RootCountRegression(self._FORGETTING_FACTOR)
        self.hours = 0
        self.residual: Floats = np.zeros(ZONE_COUNT)

    def predict_many(self, x: Features) -> Floats:
        """Return predicted rides of all zones, never negative."""
        return to_rides(self.predict_root_counts(x))

    def predict_root_counts(self, x: Features) -> Floats:
        """Return predicted root counts of all zones, possibly negative."""
        return self._regression.predict_many(x)

    def learn_many(self, x: Features, rides: Counts) -> None:
        """Learn one hour of all zones."""
        self.residual = np.sqrt(rides) - self._regression.predict_many(x)
        self._regression = self._regression.learned(x, rides)
        self.hours += 1
