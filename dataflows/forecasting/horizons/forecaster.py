"""The forecaster of one horizon, which learns an hour long after it forecast it."""

from collections import deque
from dataclasses import dataclass

import numpy as np

from dataflows.forecasting.calibrated_mean import CalibratedMean
from dataflows.forecasting.features import USUAL_RIDES, Features
from dataflows.forecasting.forecasters.base import to_rides
from dataflows.forecasting.horizons.correction import (
    CorrectionRegression,
    Shrinkage,
    row_weights,
    usual,
)
from dataflows.forecasting.intervals import ConformalIntervals
from rushhour.core.arrays import Counts, Floats
from rushhour.core.forecast import Forecast
from rushhour.core.models import DECIMALS, MIN_DEMAND, SERVED


@dataclass(frozen=True, slots=True, eq=False)
class _Logged:
    """A forecast that is not learned yet, and what it was made from."""

    x: Features
    correction: Floats
    forecast: Forecast


class HorizonForecaster:
    """Forecasts the hour that is `horizon` hours after the last closed one.

    The usual rides of that hour, corrected by two regressions: one forgets within a day, the other
    within a week. Their mean is shrunk by how such corrections have fared.

    Parameters
    ----------
    horizon
        Hours ahead, at least 1. A forecast is learned after as many calls of `predict_one`.
    """

    _FORGETTING_FACTORS = (0.93, 0.99)  # per hour

    def __init__(self, horizon: int) -> None:
        self._horizon = horizon
        self._regressions = [CorrectionRegression(factor) for factor in self._FORGETTING_FACTORS]
        self._shrinkage = Shrinkage()
        self._mean = CalibratedMean()
        self._intervals = ConformalIntervals()
        self._logged: deque[_Logged] = deque(maxlen=horizon)

    def predict_one(self, hour_ts: int, x: Features) -> Forecast:
        """Return the forecast of the hour that starts at `hour_ts` (epoch ms), from its features.

        Hours must be consecutive.
        """
        corrections = [regression.predict_many(x) for regression in self._regressions]
        correction = sum(corrections[1:], corrections[0]) / len(corrections)
        root_counts = usual(x) + self._shrinkage.factor * correction
        median = _demand(to_rides(root_counts))
        mean = _demand(self._mean.predict(median, x[USUAL_RIDES]))
        lower, upper = self._intervals.predict(hour_ts, median)
        forecast = Forecast(hour_ts, {SERVED: median}, mean, lower, upper)
        self._logged.append(_Logged(x, correction, forecast))
        return forecast

    def learn_one(self, hour_ts: int, rides: Counts) -> None:
        """Learn a closed hour from the features of its forecast, if it was forecast.

        Parameters
        ----------
        hour_ts
            Start of the hour, epoch milliseconds.
        rides
            `int64[zones]`.
        """
        if not self._logged or self._logged[0].forecast.hour_ts != hour_ts:
            return
        logged = self._logged.popleft()
        x = logged.x
        actual = np.sqrt(rides) - usual(x)
        self._shrinkage.update(row_weights(x), logged.correction, actual)
        for regression in self._regressions:
            regression.learn_many(x, actual)
        self._mean.update(rides, logged.forecast.median, x[USUAL_RIDES])
        self._intervals.update(hour_ts, rides, logged.forecast.median)


def _demand(rides: Floats) -> Floats:
    return np.maximum(np.round(rides, DECIMALS), MIN_DEMAND)
