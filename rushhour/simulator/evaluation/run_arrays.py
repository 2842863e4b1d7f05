"""What a run has left in Redis, as arrays: the live counterpart of a backtest."""

import numpy as np
import pandas as pd
import redis

from rushhour import views
from rushhour.core.hours import HOUR_MS
from rushhour.core.run import RunInfo
from rushhour.core.zones import FIRST_ZONE, ZONE_COUNT
from rushhour.simulator.evaluation.scoring import Floats, Forecasts


def read_forecasts(client: redis.Redis, run: RunInfo) -> Forecasts:
    """Return rides and predictions of each hour of the run; NaN where Redis has none (yet).

    Raises
    ------
    RedisFailure
        If no hour is closed yet.
    """
    served, *challengers = run.models
    predictions = views.predictions(client)
    by_model = {served: _matrix(run, predictions, "predicted_demand")} | {
        model: _matrix(run, views.predictions(client, model=model), "predicted_demand")
        for model in challengers
    }
    return Forecasts(
        run.start_ts,
        _matrix(run, views.hourly_rides(client), "rides"),
        by_model,
        _matrix(run, predictions, "lower"),
        _matrix(run, predictions, "upper"),
    )


def read_drift(client: redis.Redis, run: RunInfo) -> Floats:
    """Return the change of each alert, by hour and zone; NaN where there was none."""
    return _matrix(run, views.alerts(client), "change")


def _matrix(run: RunInfo, table: pd.DataFrame, column: str) -> Floats:
    """Spread a column of a view over hours x zones."""
    hours = table["pickup_hour"].dt.tz_localize(None).astype("datetime64[ms]")
    row = (hours.to_numpy().astype(np.int64) - run.start_ts) // HOUR_MS
    matrix = np.full((run.hours, ZONE_COUNT), np.nan)
    matrix[row, table["pickup_location_id"].to_numpy() - FIRST_ZONE] = table[column]
    return matrix
