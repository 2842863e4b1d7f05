"""Which hours of a partition are complete, and which offsets the complete ones cover.

An hour is complete once its rides, the predictions for the hour after it and the end of the hour on
`alerts` have arrived, for all zones of the partition, and are what the dataflow has written, by the
checksums of that end. Hours are returned in order. The offsets to store with them lie before every
event that still waits, so that a restart reads again exactly what was not returned.

The events of each topic are one sequence of hours. A dataflow that restarts, or two at once, write
parts of it again, so what arrives below the position reached is a duplicate, dropped and counted.
What arrives above it means that something is missing.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

import numpy as np

from rushhour.core.arrays import Floats, ZoneMask
from rushhour.core.errors import EventError
from rushhour.core.events import Alert, AlertEvent, HourEnd, HourlyRides, Prediction
from rushhour.core.forecast import Forecast
from rushhour.core.hour_checksums import Checksums, checksums, hour_hashes
from rushhour.core.hours import HOUR_MS, clock_label
from rushhour.core.topics import ALERTS, HOURLY_RIDES, PREDICTIONS
from rushhour.core.zones import FIRST_ZONE
from rushhour.storage.columns import unknown
from rushhour.storage.hour_tables import HourTables

E = TypeVar("E", HourlyRides, Prediction, Alert)

_ADVICE = (
    "records were lost, or are not the dataflow's: start a new run, or pass over a record with "
    "`rushhour skip`"
)


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
    end: HourEnd | None = None

    def column(self, values: Iterable[float | None]) -> Floats:
        """Return a column from one value per event, in the order of `events`."""
        out = unknown()
        out[list(self.events)] = np.array(list(values), np.float64)  # None becomes NaN
        return out


class _TopicHours(Generic[E]):
    """The hours of one topic and partition that have not been returned.

    Attributes
    ----------
    due
        The first hour that has not arrived as a whole (epoch ms).
    position
        The offset after the last event added.
    duplicates
        How many events were dropped because they had arrived already.
    """

    def __init__(self, topic: str, partition: int, due: int, position: int) -> None:
        self.due = due
        self.position = position
        self.duplicates = 0
        self._topic = topic
        self._partition = partition
        self._hours: dict[int, _PartialHour[E]] = {}

    def at(self, hour_ts: int, offset: int) -> _PartialHour[E] | None:
        """Return the hour to which an event belongs, None if the whole hour has arrived already.

        Raises
        ------
        EventError
            If the hour before has not arrived as a whole.
        """
        self.position = offset + 1
        if hour_ts < self.due:
            self.duplicates += 1
            return None
        if hour_ts > self.due:
            raise EventError(
                f"topic '{self._topic}' partition {self._partition} offset {offset}: the hour "
                f"{clock_label(hour_ts)} came before {clock_label(self.due)} was complete: "
                f"{_ADVICE}"
            )
        found = self._hours.get(hour_ts)
        if found is None:
            found = self._hours[hour_ts] = _PartialHour(offset)
        return found

    def put(self, offset: int, hour_ts: int, event: E, of: int | None = None) -> None:
        """Add an event; with `of` events, the hour has arrived as a whole."""
        hour = self.at(hour_ts, offset)
        if hour is None:
            return
        column = event.pickup_location_id - FIRST_ZONE
        if column in hour.events:
            self.duplicates += 1
            return
        hour.events[column] = event
        if len(hour.events) == of:
            self.due += HOUR_MS

    def pop(self, hour_ts: int) -> _PartialHour[E]:
        """Remove an hour and return it; an empty one if nothing has arrived."""
        return self._hours.pop(hour_ts, _PartialHour(0))

    def first_offset(self) -> int:
        """Return the offset of the first event that waits; the position if there is none."""
        return min((hour.first_offset for hour in self._hours.values()), default=self.position)


class PendingHours:
    """Collects the events of one partition and returns its hours once they are complete.

    Attributes
    ----------
    next_hour
        The first hour that is not closed (epoch ms).

    Parameters
    ----------
    partition
        The partition, for errors.
    zones
        The zones of the partition.
    next_hour
        Initial value of the attribute.
    positions
        The offset from which each topic is read.
    forecast
        The forecast for `next_hour`, if it was returned before (a restart reads it from Redis).
    """

    def __init__(
        self,
        partition: int,
        zones: ZoneMask,
        next_hour: int,
        positions: Mapping[str, int],
        forecast: Forecast | None = None,
    ) -> None:
        self.next_hour = next_hour
        self._partition = partition
        self._zones = zones
        self._zone_count = int(zones.sum())
        self._forecast = forecast
        following = next_hour if forecast is None else next_hour + HOUR_MS
        self._rides = _TopicHours[HourlyRides](
            HOURLY_RIDES, partition, next_hour, positions[HOURLY_RIDES]
        )
        self._predictions = _TopicHours[Prediction](
            PREDICTIONS, partition, following, positions[PREDICTIONS]
        )
        # By the end of the hour: the opening of a run, too, has an end.
        self._alerts = _TopicHours[Alert](ALERTS, partition, following, positions[ALERTS])

    @property
    def duplicates(self) -> int:
        """How many events were dropped because they had arrived already."""
        return self._rides.duplicates + self._predictions.duplicates + self._alerts.duplicates

    @property
    def positions(self) -> dict[str, int]:
        """The offset after the last event added, for each topic."""
        return {topic: hours.position for topic, hours in self._topics().items()}

    def offsets(self) -> dict[str, int]:
        """Return the offset from which a restart reads each topic."""
        return {topic: hours.first_offset() for topic, hours in self._topics().items()}

    def add_rides(self, offset: int, event: HourlyRides) -> None:
        """Add the rides of one zone and hour.

        Raises
        ------
        EventError
            If events are missing before it.
        """
        self._rides.put(offset, event.pickup_ts, event, self._zone_count)

    def add_prediction(self, offset: int, event: Prediction) -> None:
        """Add the prediction for one zone and hour.

        Raises
        ------
        EventError
            If events are missing before it.
        """
        self._predictions.put(offset, event.pickup_ts, event, self._zone_count)

    def add_alert(self, offset: int, event: AlertEvent) -> None:
        """Add an alert of one zone and hour, or the end of an hour.

        Raises
        ------
        EventError
            If events are missing before it.
        """
        if isinstance(event, Alert):
            self._alerts.put(offset, event.pickup_ts + HOUR_MS, event)
            return
        hour = self._alerts.at(event.end_ts, offset)
        if hour is not None:
            hour.end = event
            self._alerts.due += HOUR_MS

    def pass_over(self, topic: str, offset: int) -> None:
        """Move the position past a record that is not one of the run's events."""
        self._topics()[topic].position = offset + 1

    def pop_complete(self) -> list[HourUpdate]:
        """Return what has become complete since the last call, in order of hours.

        Raises
        ------
        EventError
            If an hour is not what the dataflow has written.
        """
        updates: list[HourUpdate] = []
        if self._forecast is None and self._has_end(self.next_hour):
            updates.append(self._pop(self.next_hour, None))
        while self._forecast is not None and self._is_complete(self.next_hour):
            hour = self.next_hour
            self.next_hour += HOUR_MS
            updates.append(self._pop(self.next_hour, self._rides.pop(hour)))
        return updates

    def _topics(self) -> dict[str, _TopicHours[Any]]:
        return {HOURLY_RIDES: self._rides, PREDICTIONS: self._predictions, ALERTS: self._alerts}

    def _has_end(self, end_ts: int) -> bool:
        """Return whether the end of an hour and the predictions for the next have arrived."""
        return self._predictions.due > end_ts and self._alerts.due > end_ts

    def _is_complete(self, hour: int) -> bool:
        # The forecast for the hour after is returned with the hour, never before it: so Redis
        # always has the forecast for the first open hour and none for a later one, which is the
        # state that a restart expects.
        return self._rides.due > hour and self._has_end(hour + HOUR_MS)

    def _pop(self, end_ts: int, rides: _PartialHour[HourlyRides] | None) -> HourUpdate:
        """Remove what belongs to the end of an hour; `rides` is None at the opening of a run."""
        predictions, alerts = self._predictions.pop(end_ts), self._alerts.pop(end_ts)
        counts = None if rides is None else rides.column(e.rides for e in rides.events.values())
        changes = alerts.column(event.relative_change for event in alerts.events.values())
        before, self._forecast = self._forecast, _forecast(end_ts, predictions)
        found = checksums(hour_hashes(counts, self._forecast, changes), self._zones)
        self._verify(alerts.end, found, (rides or alerts, predictions, alerts))
        if counts is None or before is None:
            return HourUpdate(self._zones, self._forecast, None)
        return HourUpdate(self._zones, self._forecast, HourTables(counts, before, changes))

    def _verify(
        self, end: HourEnd | None, found: Checksums, hours: Sequence[_PartialHour[Any]]
    ) -> None:
        """Check an hour of the three topics by the checksums of its end."""
        assert end is not None  # an hour is complete only with its end
        sent = end.rides, end.predictions, end.alerts
        for i, topic in enumerate((HOURLY_RIDES, PREDICTIONS, ALERTS)):
            if found[i] != sent[i]:
                hour_ts = end.end_ts if topic == PREDICTIONS else end.end_ts - HOUR_MS
                raise EventError(
                    f"topic '{topic}' partition {self._partition}, offset {hours[i].first_offset} "
                    f"and after it: the hour {clock_label(hour_ts)} is not as the dataflow wrote "
                    f"it, by its checksum: {_ADVICE}"
                )


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
