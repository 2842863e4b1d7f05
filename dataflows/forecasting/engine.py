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
from rushhour.core.events import Alert, HourlyRides, Prediction
from rushhour.core.hours import HOUR_MS, to_datetime
from rushhour.core.models import DECIMALS, SERVED
from rushhour.core.zones import FIRST_ZONE, ZONE_COUNT, ZONE_IDS

# A zone that never had a ride may still get one.
_LEAST_DEMAND = 10.0**-DECIMALS


@dataclass(frozen=True, slots=True)
class HourForecast:
    """What each model says of one hour, before it begins: rides of all zones by model name.

    The first model is the served one; `lower` and `upper` are the ends of its intervals. NaN means
    that a model has no past to speak from. `drift` is the change of those zones that raised an
    alert in the hour before, NaN for all others.
    """

    hour_ts: int
    by_model: dict[str, Floats]
    lower: Floats
    upper: Floats
    drift: Floats

    @property
    def served(self) -> Floats:
        """What is served."""
        return self.by_model[SERVED]

    def events(self) -> list[Prediction]:
        """Return one event per zone."""
        served, *others = self.by_model
        hour = to_datetime(self.hour_ts)
        columns = {name: _nan_to_none(self.by_model[name]) for name in others}
        rows = zip(
            ZONE_IDS,
            self.served.tolist(),
            self.lower.tolist(),
            self.upper.tolist(),
            _nan_to_none(self.drift),
            strict=True,
        )
        return [
            Prediction(
                zone,
                hour,
                self.hour_ts,
                predicted,
                lower,
                upper,
                served,
                {name: column[i] for name, column in columns.items()},
                drift,
            )
            for i, (zone, predicted, lower, upper, drift) in enumerate(rows)
        ]

    def alerts(self) -> list[Alert]:
        """Return one event for each zone that raised an alert in the hour before."""
        return [
            Alert.of(FIRST_ZONE + int(i), self.hour_ts - HOUR_MS, float(self.drift[i]))
            for i in np.flatnonzero(~np.isnan(self.drift))
        ]


class HourlyForecasting:
    """Turns closed hours into forecasts of the hour after, one at a time, in order."""

    def __init__(self) -> None:
        self._history = RideHistory()
        self._learners = learners()
        self._baselines = baselines()
        self._mixture = Mixture(len(self._learners))
        self._intervals = ConformalIntervals()
        self._drift = DriftDetector()
        self._logged: tuple[pd.DataFrame, HourForecast] | None = None

    def update(self, hour: CityHour) -> HourForecast:
        """Learn the closed hour, if one is, and forecast the next."""
        next_ts = hour.hour_ts
        drift = np.full(ZONE_COUNT, np.nan)
        if hour.rides is not None:
            next_ts += HOUR_MS
            if self._logged is not None:
                drift = self._learn(*self._logged, hour.rides)
            self._history.append(hour.rides)
        x = self._history.features(next_ts)
        forecast = self._predict(next_ts, x, drift)
        self._logged = (x, forecast)
        return forecast

    def snapshot(self) -> "HourlyForecasting":
        """Return a copy of the state that later updates do not touch."""
        return copy.deepcopy(self)

    def _learn(self, x: pd.DataFrame, forecast: HourForecast, rides: Counts) -> Floats:
        for forecaster in (*self._learners, *self._baselines):
            forecaster.learn_many(x, rides)
        self._mixture.learn(
            np.stack([forecast.by_model[learner.name] for learner in self._learners]), rides
        )
        self._intervals.learn(forecast.hour_ts, forecast.served, rides)
        return _rounded(self._drift.learn(forecast.served, rides))

    def _predict(self, hour_ts: int, x: pd.DataFrame, drift: Floats) -> HourForecast:
        # Rounded before they are mixed: what is served can be had from what is on record.
        learned = {f.name: _rounded(f.predict_many(x)) for f in self._learners}
        repeated = {f.name: _rounded(f.predict_many(x)) for f in self._baselines}
        mixed = self._mixture.predict(np.stack(list(learned.values())))
        served = np.maximum(_rounded(mixed), _LEAST_DEMAND)
        lower, upper = self._intervals.predict(hour_ts, served)
        return HourForecast(hour_ts, {SERVED: served} | learned | repeated, lower, upper, drift)


def rides_events(hour: CityHour) -> list[HourlyRides]:
    """Return one event per zone of a closed hour; none for an opening."""
    if hour.rides is None:
        return []
    return [
        HourlyRides.of(zone, hour.hour_ts, rides)
        for zone, rides in zip(ZONE_IDS, hour.rides.tolist(), strict=True)
    ]


def _rounded(values: Floats) -> Floats:
    return np.round(values, DECIMALS)


def _nan_to_none(values: Floats) -> list[float | None]:
    return [None if value != value else value for value in values.tolist()]  # noqa: PLR0124
