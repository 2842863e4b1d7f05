"""A run as arrays of hours x zones: read from Redis (`live`) or replayed offline (`offline`)."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from rushhour.core.arrays import Floats, Ints
from rushhour.core.forecast import Forecast
from rushhour.core.horizons import NEXT_HOUR
from rushhour.core.hours import HOUR_MS, HOURS_PER_DAY
from rushhour.core.models import REFERENCE
from rushhour.core.zones import ZONE_COUNT
from rushhour.storage.hour_tables import HourTables

# Models start without history, and the reference has no prediction in its first week.
WARM_UP_HOURS = 7 * HOURS_PER_DAY


@dataclass(frozen=True, slots=True, eq=False)
class RunArrays:
    """Rides of consecutive hours, their forecasts and their alerts: `float64[hours, zones]`.

    `alerts` is the relative change of the alert that an hour raised for a zone, NaN if it raised
    none. NaN elsewhere means unknown. `hours_before` is how many hours of the run are before these.
    `ahead` has what was forecast for the same hours further ahead, by horizon.
    """

    rides: Floats
    forecast: Forecast
    alerts: Floats
    hours_before: int = 0
    ahead: Mapping[int, Forecast] = field(default_factory=dict)

    @classmethod
    def of(cls, start_ts: int, hours: Iterable[HourTables]) -> "RunArrays":
        """Stack consecutive hours, the first of which begins at `start_ts` (epoch ms)."""
        hours = list(hours)
        horizons = hours[0].ahead if hours else ()
        return cls(
            _stack([hour.rides for hour in hours]),
            _joined(start_ts, [hour.forecast for hour in hours]),
            _stack([hour.alerts for hour in hours]),
            ahead={
                horizon: _joined(start_ts, [hour.ahead[horizon] for hour in hours])
                for horizon in horizons
            },
        )

    @property
    def start_ts(self) -> int:
        """Start of the first hour, epoch milliseconds."""
        return self.forecast.hour_ts

    @property
    def hours(self) -> int:
        """Number of hours."""
        return len(self.rides)

    def at(self, horizon: int) -> "RunArrays":
        """Return the run as it was forecast so many hours ahead.

        Beyond the next hour it has the served model and the reference, and no alerts. NaN where the
        run began later than that.
        """
        if horizon == NEXT_HOUR:
            return self
        forecast, models = self.ahead[horizon], self.forecast.by_model
        reference = {name: models[name] for name in (REFERENCE,) if name in models}
        judged = replace(forecast, by_model=forecast.by_model | reference)
        return RunArrays(self.rides, judged, np.full_like(self.alerts, np.nan), self.hours_before)

    def after_warm_up(self) -> "RunArrays":
        """Return the hours to score: those after the warm-up, or all if there are no more."""
        left = max(0, WARM_UP_HOURS - self.hours_before)
        first = left if self.hours > left else 0
        return self.select(slice(first, None), np.arange(self.rides.shape[1]))

    def select(self, hours: slice, columns: Ints) -> "RunArrays":
        """Return some of the hours, and some of the zones by the indexes of their columns."""

        def cut(values: Floats) -> Floats:
            return values[hours][:, columns]

        def part(forecast: Forecast) -> Forecast:
            return Forecast(
                self.start_ts + (hours.start or 0) * HOUR_MS,
                {name: cut(values) for name, values in forecast.by_model.items()},
                cut(forecast.mean),
                cut(forecast.lower),
                cut(forecast.upper),
            )

        return RunArrays(
            cut(self.rides),
            part(self.forecast),
            cut(self.alerts),
            ahead={horizon: part(forecast) for horizon, forecast in self.ahead.items()},
        )


def _joined(start_ts: int, forecasts: Sequence[Forecast]) -> Forecast:
    """Return the forecasts of consecutive hours as one."""
    models = forecasts[0].by_model if forecasts else ()
    return Forecast(
        start_ts,
        {name: _stack([each.by_model[name] for each in forecasts]) for name in models},
        _stack([each.mean for each in forecasts]),
        _stack([each.lower for each in forecasts]),
        _stack([each.upper for each in forecasts]),
    )


def _stack(rows: list[Floats]) -> Floats:
    return np.stack(rows) if rows else np.empty((0, ZONE_COUNT))
