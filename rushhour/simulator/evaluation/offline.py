"""An offline replay of the forecasters: from counts of rides to forecasts, without Kafka or Redis.

Its forecasts are those of a live run, to the last digit: `verify` compares both.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from dataflows.forecasting.engine import ForecastEngine
from dataflows.forecasting.guard import FailureLog
from rushhour.core.arrays import Counts
from rushhour.core.forecast import Forecast
from rushhour.core.horizons import NEXT_HOUR, ONLY_THE_NEXT_HOUR, Horizons
from rushhour.core.hours import HOUR_MS
from rushhour.core.models import SERVED
from rushhour.simulator.evaluation.run_arrays import RunArrays
from rushhour.storage.columns import unknown
from rushhour.storage.hour_tables import HourTables


@dataclass(frozen=True, slots=True, eq=False)
class Replayed:
    """A run, and what was forecast beyond the next hour, by horizon.

    `made` are the forecasts of a horizon in the order in which they were made: the first of horizon
    h is of hour h - 1 of the run.
    """

    run: RunArrays
    made: Mapping[int, Sequence[Forecast]]

    def ahead(self, horizon: int, index: int) -> Forecast | None:
        """Return what was forecast for an hour so far ahead, given its index in the run."""
        place = index - horizon + NEXT_HOUR
        made = self.made[horizon]
        return made[place] if 0 <= place < len(made) else None


def replay(
    start_ts: int,
    rides: Counts,
    closed: Callable[[], None] = lambda: None,
    engine: ForecastEngine | None = None,
) -> RunArrays:
    """Forecast each hour, then learn its rides: the next hour only.

    Parameters
    ----------
    start_ts
        Start of the first hour, epoch milliseconds.
    rides
        Rides of all zones: `int64[hours, zones]`.
    closed
        Called after each hour.
    engine
        Begins with what it has learned, and learns these hours; None for a new one.
    """
    return replay_horizons(start_ts, rides, ONLY_THE_NEXT_HOUR, closed, engine).run


def replay_horizons(
    start_ts: int,
    rides: Counts,
    horizons: Horizons,
    closed: Callable[[], None] = lambda: None,
    engine: ForecastEngine | None = None,
) -> Replayed:
    """Forecast each hour, and those of `horizons` ahead, then learn its rides; see `replay`.

    An engine that is given forecasts the same horizons.
    """
    engine, failure_log = engine or ForecastEngine(horizons), FailureLog()
    hours: list[HourTables] = []
    made: dict[int, list[Forecast]] = {each: [] for each in horizons if each != NEXT_HOUR}
    for i, of_hour in enumerate(rides):
        forecast = engine.predict_all(start_ts + i * HOUR_MS)
        for horizon, ahead in forecast.ahead.items():
            made[horizon].append(ahead)
        alerts = engine.learn_one(forecast.hour_ts, of_hour)
        failure_log.add(engine.take_failures())
        hours.append(HourTables(of_hour.astype(np.float64), forecast, alerts))
        closed()
    for horizon, forecasts in made.items():
        known = [_missing(start_ts)] * (horizon - NEXT_HOUR) + forecasts
        for hour, forecast in zip(hours, known, strict=False):
            hour.ahead[horizon] = forecast
    return Replayed(RunArrays.of(start_ts, hours), made)


def _missing(hour_ts: int) -> Forecast:
    """Return what is known of an hour that was forecast before the run began: nothing."""
    return Forecast(hour_ts, {SERVED: unknown()}, unknown(), unknown(), unknown())
