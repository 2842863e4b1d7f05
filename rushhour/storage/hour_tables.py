"""An hour's tables as Redis holds them, for whoever has to go on from there."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import redis

from consumers.pending import ClosedHour, Forecast, HourUpdate
from rushhour.core import keys
from rushhour.core.hours import hour_label
from rushhour.storage.columns import Floats, from_hash, unknown


@dataclass(frozen=True, slots=True)
class StoredHour:
    """Rides and forecast of one hour, of all zones; NaN where Redis has none (yet).

    `drift` is what the hour itself raised: the change of a zone's alert, NaN where there is none.
    It comes with the forecast for the hour after. (That of `forecast` is not filled in.)
    """

    rides: Floats
    forecast: Forecast
    drift: Floats

    @classmethod
    def unknown(cls, hour_ts: int, models: Iterable[str]) -> "StoredHour":
        """Return an hour of which nothing is known yet, given a run's models, served one first."""
        return cls(unknown(), Forecast(hour_ts, {name: unknown() for name in models}), unknown())

    @property
    def served(self) -> Floats:
        """Predictions of the served model."""
        return self.forecast.served

    def has_rides(self) -> bool:
        """Whether the rides of every zone are known.

        If they are, so is the drift: it goes into Redis in the same transaction.
        """
        return not np.isnan(self.rides).any()

    def has_forecast(self) -> bool:
        """Whether every zone is predicted; the served model always has a prediction."""
        return not np.isnan(self.served).any()

    def put(self, unit: HourUpdate) -> None:
        """Add what this process has just read of this hour."""
        forecast = unit if isinstance(unit, Forecast) else unit.forecast
        for name, column in forecast.by_model.items():
            np.copyto(self.forecast.by_model[name], column, where=unit.zones)
        np.copyto(self.forecast.lower, forecast.lower, where=unit.zones)
        np.copyto(self.forecast.upper, forecast.upper, where=unit.zones)
        if isinstance(unit, ClosedHour):
            np.copyto(self.rides, unit.rides, where=unit.zones)

    def put_drift(self, following: Forecast) -> None:
        """Add what the forecast for the hour after says of this one."""
        np.copyto(self.drift, following.drift, where=following.zones)


def read_hours(
    client: redis.Redis, hours: Iterable[int], models: Sequence[str]
) -> dict[int, StoredHour]:
    """Return the tables of the given hours (epoch ms), of a run's models, served one first."""
    hours = list(hours)
    pipe = client.pipeline(transaction=False)
    for label in map(hour_label, hours):
        for key in (keys.rides, keys.hour_alerts, keys.lower, keys.upper, keys.predictions):
            pipe.hgetall(key(label))
        for name in models[1:]:
            pipe.hgetall(keys.model_predictions(name, label))
    columns = map(from_hash, pipe.execute())
    out = {}
    for hour in hours:
        rides, drift, lower, upper = (next(columns) for _ in range(4))
        by_model = {name: next(columns) for name in models}
        out[hour] = StoredHour(rides, Forecast(hour, by_model, lower, upper), drift)
    return out
