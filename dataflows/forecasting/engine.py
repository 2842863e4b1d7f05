"""Log and wait: learn from the features logged with the last prediction, then predict.

The prequential rule of River's `evaluate.progressive_val_score` with a delay of one hour:
a model sees an hour's rides only after its prediction for that hour is on record.
"""

import copy
from dataclasses import dataclass

import numpy as np
import pandas as pd

from dataflows.counting import CityHour
from dataflows.forecasting.drift import DriftDetector
from dataflows.forecasting.features import RideHistory
from dataflows.forecasting.forecasters import baselines, learners
from dataflows.forecasting.intervals import ConformalIntervals
from dataflows.forecasting.mixture import Mixture
from rushhour.core.arrays import Counts, Floats
from rushhour.core.forecast import Forecast
from rushhour.core.hours import HOUR_MS
from rushhour.core.models import DECIMALS, SERVED
from rushhour.core.zones import ZONE_COUNT

# A zone that never had a ride may still get one.
_LEAST_DEMAND = 10.0**-DECIMALS


@dataclass(frozen=True, slots=True)
class HourForecast:
    """The forecast of one hour, and the relative changes of the alerts of the hour before.

    `relative_changes` (`float64[zones]`) is NaN for zones without an alert.
    """

    forecast: Forecast
    relative_changes: Floats


class HourlyForecasting:
    """Turns closed hours into forecasts of the hour after, one at a time, in order."""

    def __init__(self) -> None:
        self._history = RideHistory()
        self._learners = learners()
        self._baselines = baselines()
        self._mixture = Mixture(len(self._learners))
        self._intervals = ConformalIntervals()
        self._drift = DriftDetector()
        self._logged: tuple[pd.DataFrame, Forecast] | None = None

    def update(self, hour: CityHour) -> HourForecast:
        """Learn the closed hour, if one is, and forecast the next."""
        next_ts = hour.hour_ts
        changes: Floats = np.full(ZONE_COUNT, np.nan)
        if hour.rides is not None:
            next_ts += HOUR_MS
            if self._logged is not None:
                changes = self._learn(*self._logged, hour.rides)
            self._history.append(hour.rides)
        x = self._history.features(next_ts)
        forecast = self._predict(next_ts, x)
        self._logged = (x, forecast)
        return HourForecast(forecast, changes)

    def snapshot(self) -> "HourlyForecasting":
        """Return a copy of the state that later updates do not touch."""
        return copy.deepcopy(self)

    def _learn(self, x: pd.DataFrame, forecast: Forecast, rides: Counts) -> Floats:
        for forecaster in (*self._learners, *self._baselines):
            forecaster.learn_many(x, rides)
        self._mixture.learn(
            np.stack([forecast.by_model[learner.name] for learner in self._learners]), rides
        )
        self._intervals.learn(forecast.hour_ts, forecast.served, rides)
        return _rounded(self._drift.learn(forecast.served, rides))

    def _predict(self, hour_ts: int, x: pd.DataFrame) -> Forecast:
        # Rounded before they are mixed: what is served can be had from what is on record.
        learned = {f.name: _rounded(f.predict_many(x)) for f in self._learners}
        repeated = {f.name: _rounded(f.predict_many(x)) for f in self._baselines}
        mixed = self._mixture.predict(np.stack(list(learned.values())))
        served = np.maximum(_rounded(mixed), _LEAST_DEMAND)
        lower, upper = self._intervals.predict(hour_ts, served)
        return Forecast(hour_ts, {SERVED: served} | learned | repeated, lower, upper)


def _rounded(values: Floats) -> Floats:
    return np.round(values, DECIMALS)
