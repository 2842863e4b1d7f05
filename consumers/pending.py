"""Which hours of a partition are complete, and which offsets the complete ones cover.

An hour is complete once its rides, the predictions for the hour after it and the end of the hour on
`alerts` have arrived, for all zones of the partition, and are what the dataflow has written, by the
checksums of that end. Hours are returned in order. The offsets to store with them lie before every
event that still waits, so that a restart reads again exactly what was not returned.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby

import numpy as np

from consumers.topic_hours import ADVICE, PartialHour, TopicHours
from rushhour.core.arrays import Ints, ZoneMask
from rushhour.core.errors import EventError
from rushhour.core.events import Alert, AlertEvent, HourEnd, HourlyRides, Prediction
from rushhour.core.forecast import Forecast
from rushhour.core.hour_checksums import Checksums, checksums, hour_hashes
from rushhour.core.hours import HOUR_MS, clock_label
from rushhour.core.topics import ALERTS, HOURLY_RIDES, PREDICTIONS
from rushhour.core.zones import FIRST_ZONE
from rushhour.storage.columns import unknown
from rushhour.storage.hour_tables import HourTables

# Fields of the events of a topic. What follows those of a prediction are the models.
_RIDES = ("rides",)
_ALERT = ("relative_change",)
_SERVED = ("predicted_demand", "lower", "upper")
# Those of an hour further ahead are all named after its horizon, in this order.
_AHEAD = "ahead "  # no model has a blank in its name
_AHEAD_FIELDS = ("predicted_median", "predicted_demand", "lower", "upper")


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
        self._forecast = forecast
        following = next_hour if forecast is None else next_hour + HOUR_MS
        count = int(zones.sum())
        self._rides = TopicHours(HOURLY_RIDES, partition, next_hour, positions[HOURLY_RIDES], count)
        self._predictions = TopicHours(
            PREDICTIONS, partition, following, positions[PREDICTIONS], count
        )
        # By the end of the hour: the opening of a run, too, has an end.
        self._alerts = TopicHours(ALERTS, partition, following, positions[ALERTS])

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

    def add_rides(self, offsets: Sequence[int], events: Sequence[HourlyRides]) -> None:
        """Add the rides of zones and hours, each with its offset, in order.

        Raises
        ------
        EventError
            If events are missing before one.
        """
        rides = np.array([[event.rides for event in events]], np.float64)
        self._rides.put(offsets, _hours(events), _columns(events), _RIDES, rides)

    def add_predictions(self, offsets: Sequence[int], events: Sequence[Prediction]) -> None:
        """Add the predictions for zones and hours, each with its offset, in order.

        Raises
        ------
        EventError
            If events are missing before one.
        """
        first = 0
        for fields, of_models in groupby(events, _fields):
            same = list(of_models)
            rows = [
                (
                    event.predicted_demand,
                    event.lower,
                    event.upper,
                    event.predicted_median,
                    *event.other_models.values(),
                    *_ahead_values(event),
                )
                for event in same
            ]
            values = np.array(rows, np.float64).T  # None becomes NaN
            own = offsets[first : first + len(same)]
            self._predictions.put(own, _hours(same), _columns(same), _SERVED + fields, values)
            first += len(same)

    def add_alerts(self, offsets: Sequence[int], events: Sequence[AlertEvent]) -> None:
        """Add the alerts of zones and hours and the ends of hours, in order.

        Raises
        ------
        EventError
            If events are missing before one.
        """
        for offset, event in zip(offsets, events, strict=True):
            if isinstance(event, HourEnd):
                self._alerts.put_end(offset, event)
            else:
                change = np.array([[event.relative_change]])
                hours = [event.pickup_ts + HOUR_MS]
                self._alerts.put([offset], hours, _columns([event]), _ALERT, change)

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

    def _topics(self) -> dict[str, TopicHours]:
        return {HOURLY_RIDES: self._rides, PREDICTIONS: self._predictions, ALERTS: self._alerts}

    def _has_end(self, end_ts: int) -> bool:
        """Return whether the end of an hour and the predictions for the next have arrived."""
        return self._predictions.due > end_ts and self._alerts.due > end_ts

    def _is_complete(self, hour: int) -> bool:
        # The forecast for the hour after is returned with the hour, never before it: so Redis
        # always has the forecast for the first open hour and none for a later one, which is the
        # state that a restart expects.
        return self._rides.due > hour and self._has_end(hour + HOUR_MS)

    def _pop(self, end_ts: int, rides: PartialHour | None) -> HourUpdate:
        """Remove what belongs to the end of an hour; `rides` is None at the opening of a run."""
        predictions, alerts = self._predictions.pop(end_ts), self._alerts.pop(end_ts)
        counts = None if rides is None else rides.values[0]
        changes = alerts.values[0] if alerts.fields else unknown()
        before, self._forecast = self._forecast, _forecast(end_ts, predictions)
        found = checksums(hour_hashes(counts, self._forecast, changes), self._zones)
        self._verify(alerts.end, found, (rides or alerts, predictions, alerts))
        if counts is None or before is None:
            return HourUpdate(self._zones, self._forecast, None)
        return HourUpdate(self._zones, self._forecast, HourTables(counts, before, changes))

    def _verify(self, end: HourEnd | None, found: Checksums, hours: Sequence[PartialHour]) -> None:
        """Check an hour of the three topics by the checksums of its end."""
        assert end is not None  # an hour is complete only with its end
        sent = end.rides, end.predictions, end.alerts
        for i, topic in enumerate((HOURLY_RIDES, PREDICTIONS, ALERTS)):
            if found[i] != sent[i]:
                hour_ts = end.end_ts if topic == PREDICTIONS else end.end_ts - HOUR_MS
                raise EventError(
                    f"topic '{topic}' partition {self._partition}, offset {hours[i].first_offset} "
                    f"and after it: the hour {clock_label(hour_ts)} is not as the dataflow wrote "
                    f"it, by its checksum: {ADVICE}"
                )


def _hours(events: Iterable[HourlyRides | Prediction]) -> list[int]:
    return [event.pickup_ts for event in events]


def _fields(event: Prediction) -> tuple[str, ...]:
    """Return the models that have predicted, then four fields for each horizon further ahead."""
    ahead = (_AHEAD + str(each.horizon) for each in event.ahead for _ in _AHEAD_FIELDS)
    return event.model, *event.other_models, *ahead


def _ahead_values(event: Prediction) -> Iterator[float]:
    for each in event.ahead:
        yield from (each.predicted_median, each.predicted_demand, each.lower, each.upper)


def _columns(events: Iterable[HourlyRides | Prediction | Alert]) -> Ints:
    return np.array([event.pickup_location_id - FIRST_ZONE for event in events])


def _forecast(hour_ts: int, predictions: PartialHour) -> Forecast:
    mean, lower, upper, *values = predictions.values
    names = predictions.fields[len(_SERVED) :]
    count = sum(not name.startswith(_AHEAD) for name in names)
    ahead = {}
    for i in range(count, len(names), len(_AHEAD_FIELDS)):
        horizon = int(names[i].removeprefix(_AHEAD))
        median, *others = values[i : i + len(_AHEAD_FIELDS)]
        ts = hour_ts + (horizon - 1) * HOUR_MS
        ahead[horizon] = Forecast(ts, {names[0]: median}, *others)
    by_model = dict(zip(names[:count], values, strict=False))
    return Forecast(hour_ts, by_model, mean, lower, upper, ahead)
