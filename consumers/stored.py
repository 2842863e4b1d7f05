"""An hour's tables as Redis holds them, for whoever has to go on from there."""

from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np
import redis

from consumers.columns import Floats, from_hash
from consumers.pending import ClosedHour, Forecast
from core import keys
from core.hours import hour_label
from core.models import BASELINES, MODELS, SERVED
from core.zones import ZONE_COUNT


def _unknown() -> Floats:
    return np.full(ZONE_COUNT, np.nan)


@dataclass(frozen=True, slots=True)
class StoredHour:
    """Rides and predictions of one hour, of all zones; NaN where Redis has none (yet)."""

    rides: Floats = field(default_factory=_unknown)
    by_model: dict[str, Floats] = field(default_factory=lambda: {m: _unknown() for m in MODELS})

    @property
    def served(self) -> Floats:
        """Predictions of the served model."""
        return self.by_model[SERVED]

    def has_rides(self) -> bool:
        """Whether the rides of every zone are known."""
        return not np.isnan(self.rides).any()

    def has_forecast(self) -> bool:
        """Whether every zone is predicted; the served model always has a prediction."""
        return not np.isnan(self.served).any()

    def put(self, unit: Forecast | ClosedHour) -> None:
        """Add what this process has just read."""
        forecast = unit if isinstance(unit, Forecast) else unit.forecast
        for name, column in forecast.by_model.items():
            np.copyto(self.by_model[name], column, where=unit.zones)
        if isinstance(unit, ClosedHour):
            np.copyto(self.rides, unit.rides, where=unit.zones)


def read_hours(client: redis.Redis, hours: Iterable[int]) -> dict[int, StoredHour]:
    """Return the tables of the given hours (epoch ms)."""
    hours = list(hours)
    pipe = client.pipeline(transaction=False)
    for label in map(hour_label, hours):
        pipe.hgetall(keys.rides(label))
        pipe.hgetall(keys.predictions(label))
        for name in BASELINES:
            pipe.hgetall(keys.model_predictions(name, label))
    columns = map(from_hash, pipe.execute())
    return {
        hour: StoredHour(next(columns), {name: next(columns) for name in MODELS}) for hour in hours
    }
