"""Events from what the dataflow computes: rides, forecasts and alerts, one hour at a time."""

import numpy as np

from dataflows.counting import CityHour
from rushhour.core.arrays import Floats
from rushhour.core.events import Alert, AlertEvent, HourEnd, HourlyRides, Prediction
from rushhour.core.forecast import Forecast
from rushhour.core.hours import HOUR_MS, to_datetime
from rushhour.core.zones import FIRST_ZONE, ZONE_IDS


def rides_events(hour: CityHour) -> list[HourlyRides]:
    """Return one event per zone of a closed hour; none for the opening of a replay."""
    if hour.rides is None:
        return []
    return [
        HourlyRides.of(zone, hour.hour_ts, rides)
        for zone, rides in zip(ZONE_IDS, hour.rides.tolist(), strict=True)
    ]


def prediction_events(forecast: Forecast) -> list[Prediction]:
    """Return one event per zone of a forecast of one hour."""
    served, *others = forecast.by_model
    hour = to_datetime(forecast.hour_ts)
    columns = {name: _nan_to_none(forecast.by_model[name]) for name in others}
    rows = zip(
        ZONE_IDS,
        forecast.served.tolist(),
        forecast.lower.tolist(),
        forecast.upper.tolist(),
        strict=True,
    )
    return [
        Prediction(
            zone,
            hour,
            forecast.hour_ts,
            predicted,
            lower,
            upper,
            served,
            {name: column[i] for name, column in columns.items()},
        )
        for i, (zone, predicted, lower, upper) in enumerate(rows)
    ]


def alert_events(forecast_ts: int, relative_changes: Floats) -> list[AlertEvent]:
    """Return the alerts of the hour before `forecast_ts`, and the end of that hour.

    Parameters
    ----------
    forecast_ts
        Start of the hour that is forecast, epoch milliseconds: the end of the closed hour.
    relative_changes
        `float64[zones]`: the relative change of each zone with drift, NaN for all others.
    """
    alerts: list[AlertEvent] = [
        Alert.of(FIRST_ZONE + int(i), forecast_ts - HOUR_MS, float(relative_changes[i]))
        for i in np.flatnonzero(~np.isnan(relative_changes))
    ]
    return [*alerts, HourEnd(forecast_ts)]


def _nan_to_none(values: Floats) -> list[float | None]:
    return [None if value != value else value for value in values.tolist()]  # noqa: PLR0124
