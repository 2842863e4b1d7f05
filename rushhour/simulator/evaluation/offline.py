"""An offline replay of the forecasters: from counts of rides to forecasts, without Kafka or Redis.

Its forecasts are those of a live run, to the last digit: `verify` compares both.
"""

from collections.abc import Callable

import numpy as np

from dataflows.forecasting.engine import ForecastEngine
from dataflows.forecasting.guard import FailureLog
from rushhour.core.arrays import Counts
from rushhour.core.hours import HOUR_MS
from rushhour.simulator.evaluation.run_arrays import RunArrays
from rushhour.storage.hour_tables import HourTables


def replay(
    start_ts: int,
    rides: Counts,
    closed: Callable[[], None] = lambda: None,
) -> RunArrays:
    """Forecast each hour, then learn its rides.

    Parameters
    ----------
    start_ts
        Start of the first hour, epoch milliseconds.
    rides
        Rides of all zones: `int64[hours, zones]`.
    closed
        Called after each hour.
    """
    engine, failure_log = ForecastEngine(), FailureLog()
    hours: list[HourTables] = []
    for i, of_hour in enumerate(rides):
        forecast = engine.predict_one(start_ts + i * HOUR_MS)
        alerts = engine.learn_one(forecast.hour_ts, of_hour)
        failure_log.add(engine.take_failures())
        hours.append(HourTables(of_hour.astype(np.float64), forecast, alerts))
        closed()
    return RunArrays.of(start_ts, hours)
