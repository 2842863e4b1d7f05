"""The tables of one hour: its rides, its forecast and its alerts, of all zones."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np

from rushhour.core.arrays import Floats, ZoneMask
from rushhour.core.forecast import Forecast
from rushhour.storage.columns import unknown


@dataclass(frozen=True, slots=True, eq=False)
class HourTables:
    """Rides, forecast and alerts of one hour: `float64[zones]` each, NaN where unknown.

    `alerts` is the relative change of the zones with an alert in this hour, NaN for all others.
    `ahead` has what was forecast for this hour further ahead, by horizon, if it was read.
    """

    rides: Floats
    forecast: Forecast
    alerts: Floats
    ahead: dict[int, Forecast] = field(default_factory=dict)

    @classmethod
    def empty(
        cls, hour_ts: int, models: Sequence[str], horizons: Iterable[int] = ()
    ) -> "HourTables":
        """Return an hour of which nothing is known yet, of a run's models, the served one first.

        Parameters
        ----------
        horizons
            Those beyond the next hour.
        """

        def forecast(names: Sequence[str]) -> Forecast:
            by_model = {name: unknown() for name in names}
            return Forecast(hour_ts, by_model, unknown(), unknown(), unknown())

        ahead = {horizon: forecast(models[:1]) for horizon in horizons}
        return cls(unknown(), forecast(models), unknown(), ahead)

    @property
    def hour_ts(self) -> int:
        """Start of the hour, epoch milliseconds."""
        return self.forecast.hour_ts

    def is_closed(self) -> bool:
        """Return whether the rides of every zone are known, and with them its alerts."""
        return not np.isnan(self.rides).any()

    def is_forecast(self) -> bool:
        """Return whether every zone is predicted; the served model always has a prediction."""
        return bool(self.is_predicted().all())

    def is_predicted(self) -> ZoneMask:
        """Return which zones are predicted, by the mean and the median of the served model."""
        return ~np.isnan(self.forecast.mean + self.forecast.median)

    def put(self, other: "HourTables", zones: ZoneMask) -> None:
        """Overwrite the rides, the forecast and the alerts of some zones."""
        np.copyto(self.rides, other.rides, where=zones)
        np.copyto(self.alerts, other.alerts, where=zones)
        self.put_forecast(other.forecast, zones)

    def put_forecast(self, forecast: Forecast, zones: ZoneMask) -> None:
        """Overwrite the forecast of some zones."""
        _put(self.forecast, forecast, zones)

    def put_ahead(self, horizon: int, forecast: Forecast, zones: ZoneMask) -> None:
        """Overwrite the forecast of some zones that was made so many hours ahead."""
        _put(self.ahead[horizon], forecast, zones)


def _put(old: Forecast, new: Forecast, zones: ZoneMask) -> None:
    for name, predicted in new.by_model.items():
        np.copyto(old.by_model[name], predicted, where=zones)
    np.copyto(old.mean, new.mean, where=zones)
    np.copyto(old.lower, new.lower, where=zones)
    np.copyto(old.upper, new.upper, where=zones)
