"""One regression for each time of day."""

from dataflows.forecasting.features import HOUR_OF_DAY, Features
from dataflows.forecasting.forecasters.base import RootCountRegression, to_rides
from rushhour.core.arrays import Counts, Floats
from rushhour.core.hours import HOURS_PER_DAY


class HourRegression:
    """One regression over all zones for each two hours of the day.

    Each learns two hours a day, so its forgetting factor of 0.9 per hour is 0.81 per day.
    """

    name = "hour_regression"
    _HOURS_EACH = 2
    _FORGETTING_FACTOR = 0.9  # per hour learned

    def __init__(self) -> None:
        self._regressions = [
            RootCountRegression(self._FORGETTING_FACTOR)
            for _ in range(HOURS_PER_DAY // self._HOURS_EACH)
        ]

    def predict_many(self, x: Features) -> Floats:
        """Return predicted rides of all zones, never negative."""
        return to_rides(self._regressions[self._index(x)].predict_many(x))

    def learn_many(self, x: Features, rides: Counts) -> None:
        """Learn one hour of all zones."""
        index = self._index(x)
        self._regressions[index] = self._regressions[index].learned(x, rides)

    def _index(self, x: Features) -> int:
        return int(x[HOUR_OF_DAY][0]) // self._HOURS_EACH
