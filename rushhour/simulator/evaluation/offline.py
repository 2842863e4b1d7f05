"""Replay the forecasters offline: from counts of rides to predictions, with nothing in between.

What comes out is what the live line puts into Redis, to the last digit: `verify` compares both.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from dataflows.forecasting.engine import ForecastEngine
from rushhour.core.hours import HOUR_MS
from rushhour.simulator.evaluation.scoring import Floats, Forecasts


@dataclass(frozen=True, slots=True, eq=False)
class Backtest:
    """What the forecasters said of each hour, and the drift that they found.

    `drift` (hours x zones) is the change of the alert that an hour raised for a zone, NaN where it
    raised none.
    """

    forecasts: Forecasts
    drift: Floats


def replay(
    start_ts: int,
    rides: npt.NDArray[np.int64],
    closed: Callable[[], None] = lambda: None,
) -> Backtest:
    """Forecast each hour before it comes, and learn from it once it is over.

    Parameters
    ----------
    start_ts
        Start of the first hour, epoch milliseconds.
    rides
        Rides of all zones: hours x zones.
    closed
        Called after each hour.
    """
    engine = ForecastEngine()
    forecast = engine.predict_one(start_ts)
    by_model: dict[str, list[Floats]] = {model: [] for model in forecast.by_model}
    lower: list[Floats] = []
    upper: list[Floats] = []
    drift: list[Floats] = []
    for i, hour in enumerate(rides):
        for model, predicted in forecast.by_model.items():
            by_model[model].append(predicted)
        lower.append(forecast.lower)
        upper.append(forecast.upper)
        drift.append(engine.learn_one(forecast.hour_ts, hour))
        forecast = engine.predict_one(start_ts + (i + 1) * HOUR_MS)
        closed()
    return Backtest(
        Forecasts(
            start_ts,
            rides.astype(np.float64),
            {model: np.array(rows) for model, rows in by_model.items()},
            np.array(lower),
            np.array(upper),
        ),
        np.array(drift),
    )
