"""All horizons of a run but the first: what a dataflow forecasts when an hour is closed."""

from collections.abc import Iterable

from dataflows.forecasting.features import RideHistory
from dataflows.forecasting.horizons.features import AheadHistory
from dataflows.forecasting.horizons.forecaster import HorizonForecaster
from rushhour.core.arrays import Counts
from rushhour.core.forecast import Forecast
from rushhour.core.horizons import Horizons
from rushhour.core.hours import HOUR_MS


class AheadForecasters:
    """A forecaster for each horizon above 1.

    Parameters
    ----------
    history
        The rides of past hours, shared with the forecasters of the next hour.
    horizons
        Hours ahead, each above 1; none is allowed.
    """

    def __init__(self, history: RideHistory, horizons: Iterable[int]) -> None:
        self._history = AheadHistory(history)
        self._forecasters = {horizon: HorizonForecaster(horizon) for horizon in horizons}

    @property
    def horizons(self) -> Horizons:
        """The horizons, each above 1."""
        return tuple(self._forecasters)

    def predict(self, hour_ts: int) -> dict[int, Forecast]:
        """Return the forecast of each horizon when the hour before `hour_ts` is the last closed.

        That of horizon h is of the hour that starts h - 1 hours after `hour_ts` (epoch ms).
        """
        found = {}
        for horizon, forecaster in self._forecasters.items():
            ahead_ts = hour_ts + (horizon - 1) * HOUR_MS
            x = self._history.features(ahead_ts, horizon)
            found[horizon] = forecaster.predict_one(ahead_ts, x)
        return found

    def learn(self, hour_ts: int, rides: Counts) -> None:
        """Learn a closed hour, which was just added to the history.

        Parameters
        ----------
        hour_ts
            Start of the hour, epoch milliseconds.
        rides
            `int64[zones]`.
        """
        if not self._forecasters:
            return
        for forecaster in self._forecasters.values():
            forecaster.learn_one(hour_ts, rides)
        self._history.update(hour_ts)
