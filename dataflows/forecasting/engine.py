"""Prequential forecasting: predict an hour, then learn it from the features of its forecast.

This is the rule of River's `evaluate.progressive_val_score` with a delay of one hour: a model
learns the rides of an hour only after its prediction for that hour was made.

A model that fails does not stop the engine: see `dataflows.forecasting.guard`.
"""

import copy
from collections.abc import Iterable
from dataclasses import replace

import numpy as np

from dataflows.forecasting.calibrated_mean import CalibratedMean
from dataflows.forecasting.drift import DriftDetector
from dataflows.forecasting.features import USUAL_RIDES, Features, RideHistory
from dataflows.forecasting.forecasters import baselines, learners
from dataflows.forecasting.guard import GuardedForecasters, ModelFailure, prediction_or_mean
from dataflows.forecasting.horizons.ahead import AheadForecasters
from dataflows.forecasting.intervals import ConformalIntervals
from dataflows.forecasting.mixture import Mixture
from rushhour.core.arrays import Counts, Floats
from rushhour.core.forecast import Forecast
from rushhour.core.horizons import NEXT_HOUR, Horizons
from rushhour.core.hours import hour_label
from rushhour.core.models import DECIMALS, MIN_DEMAND, SERVED
from rushhour.core.zones import ZONE_COUNT

# Name of the calibrated mean where it fails.
_MEAN = f"{SERVED} (mean)"


class ForecastEngine:
    """All models of a run: predicts an hour of all zones, then learns it once it is closed.

    Hours must be consecutive. State is everything that the next call needs: the engine can be
    pickled, and `snapshot` copies it.

    Parameters
    ----------
    horizons
        Hours ahead to forecast. The first hour is always forecast, by `predict_one`; the others are
        by `predict_ahead`.

    Examples
    --------
    >>> engine = ForecastEngine()
    >>> start = 1_727_740_800_000  # 2024-10-01 00:00
    >>> float(engine.predict_one(start).mean.max())
    0.0001
    >>> relative_changes = engine.learn_one(start, np.full(ZONE_COUNT, 4))
    >>> float(engine.predict_one(start + 3_600_000).by_model["last_hour"].max())
    4.0
    """

    def __init__(self, horizons: Iterable[int] = (1,)) -> None:
        self._history = RideHistory()
        self._ahead = AheadForecasters(self._history, [h for h in horizons if h > 1])
        self._learners = GuardedForecasters(learners())
        self._baselines = GuardedForecasters(baselines(), may_be_unknown=True)
        self._mixture = Mixture(len(tuple(self._learners)))
        self._mean = CalibratedMean()
        self._intervals = ConformalIntervals()
        self._drift = DriftDetector()
        self._logged: tuple[Features, Forecast] | None = None
        self._failures: list[ModelFailure] = []

    @property
    def forecast_ts(self) -> int | None:
        """Start of the hour that was forecast and is not learned yet (epoch ms); None if none."""
        return None if self._logged is None else self._logged[1].hour_ts

    @property
    def horizons(self) -> Horizons:
        """Hours ahead that are forecast: the next hour, and those of `predict_ahead`."""
        return (NEXT_HOUR, *self._ahead.horizons)

    def predict_one(self, hour_ts: int) -> Forecast:
        """Return the forecast of the hour that starts at `hour_ts` (epoch ms).

        Parameters
        ----------
        hour_ts
            The hour after the last one learned.
        """
        x = self._history.features(hour_ts)
        forecast = self._predict(hour_ts, x)
        self._logged = (x, forecast)
        return forecast

    def predict_ahead(self) -> dict[int, Forecast]:
        """Return the forecast of each horizon above 1, made when that of `predict_one` was.

        That of horizon h is of the hour that starts h - 1 hours after that of `predict_one`.

        Raises
        ------
        ValueError
            If there is no forecast of the next hour that is not learned yet.
        """
        if self.forecast_ts is None:
            raise ValueError("cannot predict further ahead: first predict the next hour")
        return self._ahead.predict(self.forecast_ts)

    def predict_all(self, hour_ts: int) -> Forecast:
        """Return the forecast of the hour that starts at `hour_ts` (epoch ms), and of those ahead.

        As `predict_one`, with what `predict_ahead` returns in `Forecast.ahead`.
        """
        forecast = self.predict_one(hour_ts)
        ahead = self.predict_ahead()
        return replace(forecast, ahead=ahead) if ahead else forecast

    def learn_one(self, hour_ts: int, rides: Counts) -> Floats:
        """Learn a closed hour from the features of its forecast; return the drift it raised.

        An hour without a forecast only enters the history.

        Parameters
        ----------
        hour_ts
            Start of the hour, epoch milliseconds.
        rides
            `int64[zones]`.

        Returns
        -------
        Floats
            `float64[zones]`: for each zone with drift the rides of the last six hours divided by
            their predictions, minus 1; NaN for all others.

        Raises
        ------
        ValueError
            If the last forecast was of another hour.
        """
        changes: Floats = np.full(ZONE_COUNT, np.nan)
        if self._logged is not None:
            x, forecast = self._logged
            if forecast.hour_ts != hour_ts:
                raise ValueError(
                    f"cannot learn {hour_label(hour_ts)}: the last forecast was of "
                    f"{hour_label(forecast.hour_ts)}"
                )
            changes = self._learn(x, forecast, rides)
            self._logged = None
        self._history.append(rides)
        self._ahead.learn(hour_ts, rides)
        return changes

    def take_failures(self) -> list[ModelFailure]:
        """Return the failures of models since the last call, in order."""
        failures, self._failures = self._failures, []
        return failures

    def snapshot(self) -> "ForecastEngine":
        """Return a copy of the state, independent of later calls."""
        return copy.deepcopy(self)

    def _learn(self, x: Features, forecast: Forecast, rides: Counts) -> Floats:
        for forecasters in (self._learners, self._baselines):
            forecasters.learn(forecast.hour_ts, x, rides, self._failures)
        learned = np.stack([forecast.by_model[learner.name] for learner in self._learners])
        self._mixture.update(rides, learned)
        self._mean.update(rides, forecast.median, x[USUAL_RIDES])
        self._intervals.update(forecast.hour_ts, rides, forecast.median)
        return np.round(self._drift.update(rides, forecast.median), DECIMALS)

    def _predict(self, hour_ts: int, x: Features) -> Forecast:
        # Rounded before they are mixed, so that the mixture can be recomputed from the events.
        learned = self._learners.predict(hour_ts, x, self._failures)
        repeated = self._baselines.predict(hour_ts, x, self._failures)
        mixed = prediction_or_mean(
            SERVED,
            hour_ts,
            x,
            lambda: self._mixture.predict(np.stack(list(learned.values()))),
            self._failures,
        )
        median = np.maximum(mixed, MIN_DEMAND)
        expected = prediction_or_mean(
            _MEAN,
            hour_ts,
            x,
            lambda: self._mean.predict(median, x[USUAL_RIDES]),
            self._failures,
        )
        mean = np.maximum(expected, MIN_DEMAND)
        lower, upper = self._intervals.predict(hour_ts, median)
        return Forecast(hour_ts, {SERVED: median} | learned | repeated, mean, lower, upper)
