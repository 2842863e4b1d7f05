"""Which hours are complete, and which offsets the complete ones cover.

An hour is handed on, in order, once the events of all zones that it waits for are there: those
of one partition, so that consumers can share the partitions in any way. The offsets to store
with it are those below every event that is still waiting, so that a restart reads again exactly
what was not handed on.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Generic, TypeVar

import numpy as np
import numpy.typing as npt

from rushhour.core.events import HourlyRides, Prediction
from rushhour.core.hours import HOUR_MS
from rushhour.core.topics import HOURLY_RIDES, PREDICTIONS
from rushhour.core.zones import FIRST_ZONE, ZONE_COUNT
from rushhour.storage.columns import Floats, ZoneMask, all_zones, unknown

TopicPartition = tuple[str, int]  # topic, partition
E = TypeVar("E", HourlyRides, Prediction)


@dataclass(frozen=True, slots=True)
class Forecast:
    """Predictions for one hour: model name -> rides of all zones; NaN where it has none.

    The first model is the served one; `lower` to `upper` is its interval, both included. `drift`
    is the change of the alert that the hour before raised for a zone; NaN where it raised none.
    Only what concerns `zones` counts.
    """

    hour_ts: int
    by_model: dict[str, Floats]
    lower: Floats = field(default_factory=unknown)
    upper: Floats = field(default_factory=unknown)
    drift: Floats = field(default_factory=unknown)
    zones: ZoneMask = field(default_factory=all_zones)

    @property
    def served_model(self) -> str:
        """Name of the served model."""
        return next(iter(self.by_model))

    @property
    def served(self) -> Floats:
        """Predictions of the served model."""
        return self.by_model[self.served_model]


@dataclass(frozen=True, slots=True)
class ClosedHour:
    """Rides of one hour, and the forecast that was made before it began, of the same zones."""

    hour_ts: int
    rides: npt.NDArray[np.int64]
    forecast: Forecast

    @property
    def zones(self) -> ZoneMask:
        """Which zones it is about."""
        return self.forecast.zones


HourUpdate = Forecast | ClosedHour


@dataclass
class _Partial(Generic[E]):
    """Events of one hour of one topic, by zone, as far as they have come."""

    first_offsets: dict[int, int] = field(default_factory=dict)
    events: dict[int, E] = field(default_factory=dict)
    seen: ZoneMask = field(default_factory=lambda: np.zeros(ZONE_COUNT, np.bool_))

    def put(self, partition: int, offset: int, event: E) -> None:
        """Keep an event, and note where it came from."""
        self.first_offsets.setdefault(partition, offset)
        column = event.pickup_location_id - FIRST_ZONE
        self.seen[column] = True
        self.events[column] = event

    def has(self, zones: ZoneMask) -> bool:
        return bool(self.seen[zones].all())

    def column(self, values: Iterable[float | None]) -> Floats:
        """Return a column of one value an event, in the order in which they came."""
        out = unknown()
        out[list(self.events)] = np.array(list(values), np.float64)  # None becomes NaN
        return out


class PendingHours:
    """Collects events until hours are complete, and hands them on in order.

    `next_hour` is the first hour not yet closed; `forecast` is the one for that hour if it
    is already in Redis (after a restart). Events of hours before are repeats, made by a
    dataflow that started again: they are dropped and counted in `repeats`. `zones` are those
    whose events are waited for. `positions` is the next offset to read of each partition.
    """

    def __init__(
        self,
        next_hour: int,
        offsets: dict[TopicPartition, int],
        forecast: Forecast | None = None,
        zones: ZoneMask | None = None,
    ) -> None:
        self.repeats = 0
        self._zones = all_zones() if zones is None else zones
        self.next_hour = next_hour
        self.positions = dict(offsets)
        self._rides: dict[int, _Partial[HourlyRides]] = {}
        self._predictions: dict[int, _Partial[Prediction]] = {}
        self._forecasts = {} if forecast is None else {forecast.hour_ts: forecast}
        self._next_forecast = next_hour if forecast is None else forecast.hour_ts + HOUR_MS

    def add_rides(self, partition: int, offset: int, event: HourlyRides) -> None:
        """Take in the rides of one zone and hour."""
        self.positions[HOURLY_RIDES, partition] = offset + 1
        if event.pickup_ts < self.next_hour:
            self.repeats += 1
            return
        _partial(self._rides, event.pickup_ts).put(partition, offset, event)

    def add_prediction(self, partition: int, offset: int, event: Prediction) -> None:
        """Take in the prediction of one zone and hour."""
        self.positions[PREDICTIONS, partition] = offset + 1
        if event.pickup_ts < self._next_forecast:
            self.repeats += 1
            return
        _partial(self._predictions, event.pickup_ts).put(partition, offset, event)

    def take(self) -> list[HourUpdate]:
        """Return what has become complete: each hour's forecast before the hour itself."""
        out: list[HourUpdate] = []
        while True:
            if self._is_forecast_due() and self._has(self._predictions, self._next_forecast):
                partial = self._predictions.pop(self._next_forecast)
                forecast = _forecast(self._next_forecast, partial, self._zones)
                self._forecasts[self._next_forecast] = forecast
                self._next_forecast += HOUR_MS
                out.append(forecast)
            elif self._is_hour_complete() and self._next_forecast > self.next_hour + HOUR_MS:
                rides = _rides(self._rides.pop(self.next_hour))
                out.append(ClosedHour(self.next_hour, rides, self._forecasts.pop(self.next_hour)))
                self.next_hour += HOUR_MS
            else:
                return out

    def _is_hour_complete(self) -> bool:
        return self._has(self._rides, self.next_hour)

    def _has(self, partials: dict[int, _Partial[E]], hour_ts: int) -> bool:
        return hour_ts in partials and partials[hour_ts].has(self._zones)

    def _is_forecast_due(self) -> bool:
        """Whether the next forecast may be handed on.

        It goes with the hour before it, in one batch: so the hour after the last closed one
        always has a prediction in Redis, and no later hour has, which is where a restart
        takes up.
        """
        ahead = self._next_forecast - self.next_hour
        return ahead <= 0 or (ahead == HOUR_MS and self._is_hour_complete())

    def offsets(self) -> dict[TopicPartition, int]:
        """Return the next offset to read of each partition, were the process to restart now."""
        out = dict(self.positions)
        for topic, waiting in (
            (HOURLY_RIDES, [partial.first_offsets for partial in self._rides.values()]),
            (PREDICTIONS, [partial.first_offsets for partial in self._predictions.values()]),
        ):
            for first_offsets in waiting:
                for partition, offset in first_offsets.items():
                    out[topic, partition] = min(out[topic, partition], offset)
        return out


def _partial(partials: dict[int, _Partial[E]], hour_ts: int) -> _Partial[E]:
    partial = partials.get(hour_ts)
    if partial is None:
        partial = partials[hour_ts] = _Partial()
    return partial


def _rides(partial: _Partial[HourlyRides]) -> npt.NDArray[np.int64]:
    rides = partial.column(event.rides for event in partial.events.values())
    return np.nan_to_num(rides).astype(np.int64)


def _forecast(hour_ts: int, partial: _Partial[Prediction], zones: ZoneMask) -> Forecast:
    """Turn the predictions of all zones into columns, which is cheaper than one by one."""
    events = list(partial.events.values())
    challengers = dict.fromkeys(name for event in events for name in event.other_models)
    by_model = {events[0].model: partial.column(event.predicted_demand for event in events)}
    for name in challengers:
        by_model[name] = partial.column(event.other_models.get(name) for event in events)
    return Forecast(
        hour_ts,
        by_model,
        lower=partial.column(event.lower for event in events),
        upper=partial.column(event.upper for event in events),
        zones=zones,
    )
