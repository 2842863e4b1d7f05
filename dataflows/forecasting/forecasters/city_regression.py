"""One regression for all zones."""

import pandas as pd

from dataflows.forecasting.forecasters.base import RootCountRegression, to_rides
from rushhour.core.arrays import Counts, Floats


class CityRegression:
    """One regression for all zones and hours, with a short memory.

    It keeps 95 % an hour. What it learns in the last day matters most: how far today goes with the
    same hour of past weeks, and how far with the last hour.
    """

    name = "city_regression"
    _KEPT_PER_HOUR = 0.95

    def __init__(self) -> None:
        self._regression = RootCountRegression(self._KEPT_PER_HOUR)

    def predict_many(self, x: pd.DataFrame) -> Floats:
        """Return predicted rides of all zones, never negative."""
        return to_rides(self._regression.predict_many(x))

    def learn_many(self, x: pd.DataFrame, rides: Counts) -> None:
        """Learn one hour of all zones."""
        self._regression.learn_many(x, rides)
