"""Which hours of a partition are complete, and which offsets the complete ones cover.

An hour is complete once its rides, the predictions for the hour after it and the end of the hour on
`alerts` have arrived, for all zones of the partition. Hours are returned in order. The offsets
to store with them lie before every event that still waits, so that a restart reads again exactly
what was not returned.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

import numpy as np

from rushhour.core.arrays import Floats, ZoneMask
from rushhour.core.events import Alert, AlertEvent, HourEnd, HourlyRides, Prediction
from rushhour.core.forecast import Forecast
from rushhour.core.hours import HOUR_MS
from rushhour.core.topics import ALERTS, HOURLY_RIDES, PREDICTIONS
from rushhour.core.zones import FIRST_ZONE, ZONE_COUNT
from rushhour.storage.columns import unknown
from rushhour.storage.hour_tables import HourTables

E = TypeVar("E", HourlyRides, Prediction, Alert)


@dataclass(frozen=True, slots=True, eq=False)
class HourUpdate:
    """An hour has been closed for some zones, and the hour after it has been forecast.

    `closed` is None for the first forecast of a run, before any hour is closed. Only the columns
    of `zones` count.
    """

    zones: ZoneMask
    forecast: Forecast
    closed: HourTables | None

    @property
    def forecast_ts(self) -> int:
        """Start of the hour that is forecast: the end of the closed one (epoch ms)."""
        return self.forecast.hour_ts


@dataclass
class _PartialHour(Generic[E]):
    """Events of one hour of one topic, by column, as far as they have arrived."""

    first_offset: int
    events: dict[int, E] = field(default_factory=dict)
    seen: ZoneMask = field(default_factory=lambda: np.zeros(ZONE_COUNT, np.bool_))

    def put(self, event: E) -> None:
        column = event.pickup_location_id - FIRST_ZONE
        self.seen[column] = True
        self.events[column] = event

    def column(self, values: Iterable[float | None]) -> Floats:
        """Return a column from one value per event, in the order of `events`."""
        out = unknown()
        out[list(self.events)] = np.array(list(values), np.float64)  # None becomes NaN
        return out


class _PartialHours(Generic[E]):
    """The hours of one topic that are not complete yet."""

    def __init__(self) -> None:
        self._hours: dict[int, _PartialHour[E]] = {}

    def at(self, hour_ts: int, offset: int) -> _PartialHour[E]:
        """Return an hour; `offset` is that of its first event if it is new."""
        found = self._hours.get(hour_ts)
        if found is None:
            found = self._hours[hour_ts] = _PartialHour(offset)
        return found

    def has(self, hour_ts: int, zones: ZoneMask) -> bool:
        """Return whether the events of all the given zones have arrived."""
        return hour_ts in self._hours and bool(self._hours[hour_ts].seen[zones].all())

    def pop(self, hour_ts: int) -> _PartialHour[E]:
        """Remove an hour and return it; an empty one if nothing has arrived."""
        return self._hours.pop(hour_ts, _PartialHour(0))

    def first_offset(self, position: int) -> int:
        """Return the offset of the first event that waits; `position` if there is none."""
        return min((hour.first_offset for hour in self._hours.values()), default=position)


class PendingHours:
    """Collects the events of one partition and returns its hours once they are complete.

    Attributes
    ----------
    next_hour
        The first hour that is not closed (epoch ms).
    positions
        The offset after the last event added, for each topic.
    duplicates
        How many events were dropped because their hour had been returned already. A dataflow that
        restarts writes them again.

    Parameters
    ----------
    zones
        The zones of the partition.
    next_hour, positions
        Initial values of the attributes.
    forecast
        The forecast for `next_hour`, if it was returned before (a restart reads it from Redis).
    """

    def __init__(
        self,
        zones: ZoneMask,
        next_hour: int,
        positions: Mapping[str, int],
        forecast: Forecast | None = None,
    ) -> None:
        self.next_hour = next_hour
        self.positions = dict(positions)
        self.duplicates = 0
        self._zones = zones
        self._forecast = forecast
        self._rides = _PartialHours[HourlyRides]()
        self._predictions = _PartialHours[Prediction]()
        self._alerts = _PartialHours[Alert]()
        self._alerts_end = next_hour  # alerts of hours before it are complete

    def add_rides(self, offset: int, event: HourlyRides) -> None:
        """Add the rides of one zone and hour."""
        self.positions[HOURLY_RIDES] = offset + 1
        if event.pickup_ts < self.next_hour:
            self.duplicates += 1
        else:
            self._rides.at(event.pickup_ts, offset).put(event)

    def add_prediction(self, offset: int, event: Prediction) -> None:
        """Add the prediction for one zone and hour."""
        self.positions[PREDICTIONS] = offset + 1
        if event.pickup_ts < self._next_forecast:
            self.duplicates += 1
        else:
            self._predictions.at(event.pickup_ts, offset).put(event)

    def add_alert(self, offset: int, event: AlertEvent) -> None:
        """Add an alert of one zone and hour, or the end of an hour."""
        self.positions[ALERTS] = offset + 1
        if isinstance(event, HourEnd):
            self._alerts_end = max(self._alerts_end, event.end_ts)
            if event.end_ts > self.next_hour:  # a restart has to read this end again
                self._alerts.at(event.end_ts - HOUR_MS, offset)
        elif event.pickup_ts < self.next_hour:
            self.duplicates += 1
        else:
            self._alerts.at(event.pickup_ts, offset).put(event)

    def pop_complete(self) -> list[HourUpdate]:
        """Return what has become complete since the last call, in order of hours."""
        updates: list[HourUpdate] = []
        if self._forecast is None and self._predictions.has(self.next_hour, self._zones):
            updates.append(HourUpdate(self._zones, self._pop_forecast(), None))
        while self._forecast is not None and self._is_complete(self.next_hour):
            hour, forecast = self.next_hour, self._forecast
            self.next_hour += HOUR_MS
            rides, alerts = self._rides.pop(hour), self._alerts.pop(hour)
            closed = HourTables(
                rides.column(event.rides for event in rides.events.values()),
                forecast,
                alerts.column(event.relative_change for event in alerts.events.values()),
            )
            updates.append(HourUpdate(self._zones, self._pop_forecast(), closed))
        return updates

    def offsets(self) -> dict[str, int]:
        """Return the offset from which a restart reads each topic."""
        waiting: dict[str, _PartialHours[Any]] = {
            HOURLY_RIDES: self._rides,
            PREDICTIONS: self._predictions,
            ALERTS: self._alerts,
        }
        return {
            topic: waiting[topic].first_offset(position)
            for topic, position in self.positions.items()
        }

    @property
    def _next_forecast(self) -> int:
        return self.next_hour if self._forecast is None else self.next_hour + HOUR_MS

    def _is_complete(self, hour: int) -> bool:
        # The forecast for the hour after is returned with the hour, never before it: so Redis
        # always has the forecast for the first open hour and none for a later one, which is the
        # state that a restart expects.
        return (
            self._rides.has(hour, self._zones)
            and self._predictions.has(hour + HOUR_MS, self._zones)
            and self._alerts_end >= hour + HOUR_MS
        )

    def _pop_forecast(self) -> Forecast:
        """Remove the predictions for the first open hour and return them as its forecast."""
        self._forecast = _forecast(self.next_hour, self._predictions.pop(self.next_hour))
        return self._forecast


def _forecast(hour_ts: int, partial: _PartialHour[Prediction]) -> Forecast:
    """Turn events into columns: one array per model instead of one assignment per event."""
    events = list(partial.events.values())
    by_model = {events[0].model: partial.column(event.predicted_demand for event in events)}
    for name in dict.fromkeys(name for event in events for name in event.other_models):
        by_model[name] = partial.column(event.other_models.get(name) for event in events)
    return Forecast(
        hour_ts,
        by_model,
        lower=partial.column(event.lower for event in events),
        upper=partial.column(event.upper for event in events),
    )
