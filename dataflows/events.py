"""Events from what the dataflow computes: rides, forecasts and alerts, one hour at a time."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from dataflows.counting import CityHour
from rushhour.core.arrays import Counts, Floats, ZoneMask
from rushhour.core.events import Alert, AlertEvent, HourEnd, HourlyRides, Prediction
from rushhour.core.forecast import Forecast
from rushhour.core.hour_checksums import checksums, hour_hashes
from rushhour.core.hours import HOUR_MS, to_datetime
from rushhour.core.zones import FIRST_ZONE, ZONE_IDS


@dataclass(frozen=True, slots=True, eq=False)
class ForecastStep:
    """What an hour gives: its rides, its alerts, and the forecast for the hour after it.

    `rides` is `int64[zones]`, None for the opening of a replay. `changes` is `float64[zones]`: the
    relative change of each zone with drift in the hour, NaN for all others.
    """

    rides: Counts | None
    changes: Floats
    forecast: Forecast


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


def alert_events(step: ForecastStep, zones: Sequence[ZoneMask]) -> list[AlertEvent]:
    """Return the alerts of the closed hour, and then its end on each partition.

    Parameters
    ----------
    zones
        The zones of each partition.
    """
    end_ts = step.forecast.hour_ts
    alerts: list[AlertEvent] = [
        Alert.of(FIRST_ZONE + int(i), end_ts - HOUR_MS, float(step.changes[i]))
        for i in np.flatnonzero(~np.isnan(step.changes))
    ]
    hashes = hour_hashes(step.rides, step.forecast, step.changes)
    ends = [
        HourEnd(partition, end_ts, *checksums(hashes, own)) for partition, own in enumerate(zones)
    ]
    return [*alerts, *ends]


def _nan_to_none(values: Floats) -> list[float | None]:
    return [None if value != value else value for value in values.tolist()]  # noqa: PLR0124
