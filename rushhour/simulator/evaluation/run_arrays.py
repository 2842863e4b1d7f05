"""A run as arrays of hours x zones: read from Redis (`live`) or replayed offline (`offline`)."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from rushhour.core.arrays import Floats, Ints
from rushhour.core.forecast import Forecast
from rushhour.core.hours import HOUR_MS, HOURS_PER_DAY
from rushhour.core.zones import ZONE_COUNT
from rushhour.storage.hour_tables import HourTables

# Models start without history, and the reference has no prediction in its first week.
WARM_UP_HOURS = 7 * HOURS_PER_DAY


@dataclass(frozen=True, slots=True, eq=False)
class RunArrays:
    """Rides of consecutive hours, their forecasts and their alerts: `float64[hours, zones]`.

    `alerts` is the relative change of the alert that an hour raised for a zone, NaN if it raised
    none. NaN elsewhere means unknown. `hours_before` is how many hours of the run are before these.
    """

    rides: Floats
    forecast: Forecast
    alerts: Floats
    hours_before: int = 0

    @classmethod
    def of(cls, start_ts: int, hours: Iterable[HourTables]) -> "RunArrays":
        """Stack consecutive hours, the first of which begins at `start_ts` (epoch ms)."""
        hours = list(hours)
        forecasts = [hour.forecast for hour in hours]
        models = forecasts[0].by_model if forecasts else ()
        return cls(
            _stack([hour.rides for hour in hours]),
            Forecast(
                start_ts,
                {name: _stack([each.by_model[name] for each in forecasts]) for name in models},
                _stack([each.mean for each in forecasts]),
                _stack([each.lower for each in forecasts]),
                _stack([each.upper for each in forecasts]),
            ),
            _stack([hour.alerts for hour in hours]),
        )

    @property
    def start_ts(self) -> int:
        """Start of the first hour, epoch milliseconds."""
        return self.forecast.hour_ts

    @property
    def hours(self) -> int:
        """Number of hours."""
        return len(self.rides)

    def after_warm_up(self) -> "RunArrays":
        """Return the hours to score: those after the warm-up, or all if there are no more."""
        left = max(0, WARM_UP_HOURS - self.hours_before)
        first = left if self.hours > left else 0
        return self.select(slice(first, None), np.arange(self.rides.shape[1]))

    def select(self, hours: slice, columns: Ints) -> "RunArrays":
        """Return some of the hours, and some of the zones by the indexes of their columns."""

        def cut(values: Floats) -> Floats:
            return values[hours][:, columns]

        forecast = self.forecast
        return RunArrays(
            cut(self.rides),
            Forecast(
                self.start_ts + (hours.start or 0) * HOUR_MS,
                {name: cut(values) for name, values in forecast.by_model.items()},
                cut(forecast.mean),
                cut(forecast.lower),
                cut(forecast.upper),
            ),
            cut(self.alerts),
        )


def _stack(rows: list[Floats]) -> Floats:
    return np.stack(rows) if rows else np.empty((0, ZONE_COUNT))
