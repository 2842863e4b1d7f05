"""An offline replay of the forecasters: from counts of rides to forecasts, without Kafka or Redis.

Its forecasts are those of a live run, to the last digit: `verify` compares both.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from dataflows.forecasting.engine import ForecastEngine
from dataflows.forecasting.guard import FailureLog
from rushhour.core.arrays import Counts
from rushhour.core.forecast import Forecast
from rushhour.core.horizons import NEXT_HOUR, ONLY_THE_NEXT_HOUR, Horizons
from rushhour.core.hours import HOUR_MS
from rushhour.core.models import REFERENCE, SERVED
from rushhour.core.zones import ZONE_COUNT
from rushhour.simulator.evaluation.run_arrays import RunArrays
from rushhour.storage.hour_tables import HourTables


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
    return replay_horizons(start_ts, rides, ONLY_THE_NEXT_HOUR, closed, engine)[NEXT_HOUR]


def replay_horizons(
    start_ts: int,
    rides: Counts,
    horizons: Horizons,
    closed: Callable[[], None] = lambda: None,
    engine: ForecastEngine | None = None,
) -> dict[int, RunArrays]:
    """Forecast each hour from several hours before it on, then learn its rides; see `replay`.

    An engine that is given forecasts the same horizons.

    Returns
    -------
    dict[int, RunArrays]
        The run for each horizon: the forecasts of its hours that were made so many hours ahead.
        Those beyond the next hour have the served model and the reference, and no alerts. NaN where
        the run began later than that.
    """
    engine, failure_log = engine or ForecastEngine(horizons), FailureLog()
    hours: list[HourTables] = []
    ahead: dict[int, list[Forecast]] = {horizon: [] for horizon in horizons}
    for i, of_hour in enumerate(rides):
        forecast = engine.predict_one(start_ts + i * HOUR_MS)
        for horizon, further in engine.predict_ahead().items():
            ahead[horizon].append(further)
        alerts = engine.learn_one(forecast.hour_ts, of_hour)
        failure_log.add(engine.take_failures())
        hours.append(HourTables(of_hour.astype(np.float64), forecast, alerts))
        closed()
    found = {NEXT_HOUR: RunArrays.of(start_ts, hours)}
    for horizon in horizons:
        if horizon != NEXT_HOUR:
            found[horizon] = _run_ahead(start_ts, hours, ahead[horizon], horizon)
    return found


def _run_ahead(
    start_ts: int, hours: Sequence[HourTables], forecasts: Sequence[Forecast], horizon: int
) -> RunArrays:
    """Return the run as it was forecast `horizon` hours ahead, from the first hour on."""
    unknown = np.full(ZONE_COUNT, np.nan)
    missing = Forecast(start_ts, {SERVED: unknown}, unknown, unknown, unknown)
    made = [missing] * (horizon - 1) + list(forecasts)
    return RunArrays.of(
        start_ts,
        [
            HourTables(
                hour.rides,
                replace(
                    forecast,
                    by_model=forecast.by_model | {REFERENCE: hour.forecast.by_model[REFERENCE]},
                ),
                unknown,
            )
            for hour, forecast in zip(hours, made, strict=False)
        ],
    )
