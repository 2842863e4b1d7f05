"""The partitions of one consumer. The hours of each partition are complete on their own.

Only a partition's own events decide when its hours are complete, so Redis ends up the same
whichever consumer has a partition, and however many consumers there are.
"""

from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from consumers.pending import HourUpdate, PendingHours
from rushhour.core.arrays import ZoneMask
from rushhour.core.events import AlertEvent, HourlyRides, Prediction
from rushhour.core.forecast import Forecast
from rushhour.storage.columns import zones_of
from rushhour.storage.hour_tables import HourTables

TopicPartition = tuple[str, int]  # topic, partition


def partitions_of(process: int, processes: int, partitions: int) -> dict[int, ZoneMask]:
    """Return the partitions of one of `processes` consumers, each with its zones.

    Partitions without a zone belong to no consumer.

    >>> [list(partitions_of(process, 2, 4)) for process in (0, 1)]
    [[0, 2], [1, 3]]
    """
    every = {partition: zones_of(partition, partitions) for partition in range(partitions)}
    used = {partition: zones for partition, zones in every.items() if zones.any()}
    return {partition: used[partition] for partition in list(used)[process::processes]}


class AssignedPartitions:
    """The pending hours of each partition of this consumer."""

    def __init__(self, pending: Mapping[int, PendingHours]) -> None:
        self._pending = dict(pending)

    @property
    def duplicates(self) -> int:
        """How many events were dropped because their hour had been returned already."""
        return sum(pending.duplicates for pending in self._pending.values())

    def next_hours(self) -> dict[int, int]:
        """Return the first hour of each partition that is not closed (epoch ms)."""
        return {partition: pending.next_hour for partition, pending in self._pending.items()}

    def add_rides(
        self, partition: int, offsets: Sequence[int], events: Sequence[HourlyRides]
    ) -> None:
        """Add the rides of zones and hours, in order."""
        self._pending[partition].add_rides(offsets, events)

    def add_predictions(
        self, partition: int, offsets: Sequence[int], events: Sequence[Prediction]
    ) -> None:
        """Add the predictions for zones and hours, in order."""
        self._pending[partition].add_predictions(offsets, events)

    def add_alerts(
        self, partition: int, offsets: Sequence[int], events: Sequence[AlertEvent]
    ) -> None:
        """Add the alerts of zones and hours and the ends of hours, in order."""
        self._pending[partition].add_alerts(offsets, events)

    def pass_over(self, topic: str, partition: int, offset: int) -> None:
        """Move the position of a topic past a record that is not one of the run's events."""
        self._pending[partition].pass_over(topic, offset)

    def pop_complete(self) -> list[HourUpdate]:
        """Return what has become complete, in order of hours, one update for all its zones."""
        return join(
            update for pending in self._pending.values() for update in pending.pop_complete()
        )

    def positions(self) -> dict[TopicPartition, int]:
        """Return the offset after the last event added from each partition."""
        return {
            (topic, partition): offset
            for partition, pending in self._pending.items()
            for topic, offset in pending.positions.items()
        }

    def offsets(self) -> dict[TopicPartition, int]:
        """Return the offset from which a restart reads each partition."""
        return {
            (topic, partition): offset
            for partition, pending in self._pending.items()
            for topic, offset in pending.offsets().items()
        }


def join(updates: Iterable[HourUpdate]) -> list[HourUpdate]:
    """Merge the updates of the same hour, whose zones differ, and sort them by hour."""
    merged: dict[int, HourUpdate] = {}
    for update in updates:
        found = merged.get(update.forecast_ts)
        merged[update.forecast_ts] = update if found is None else _merge(found, update)
    return [merged[hour] for hour in sorted(merged)]


def _merge(one: HourUpdate, other: HourUpdate) -> HourUpdate:
    zones, closed = one.zones, None
    if one.closed is not None and other.closed is not None:
        closed = HourTables(
            np.where(zones, one.closed.rides, other.closed.rides),
            _merge_forecasts(zones, one.closed.forecast, other.closed.forecast),
            np.where(zones, one.closed.alerts, other.closed.alerts),
        )
    forecast = _merge_forecasts(zones, one.forecast, other.forecast)
    return HourUpdate(zones | other.zones, forecast, closed)


def _merge_forecasts(zones: ZoneMask, one: Forecast, other: Forecast) -> Forecast:
    return Forecast(
        one.hour_ts,
        {name: np.where(zones, each, other.by_model[name]) for name, each in one.by_model.items()},
        np.where(zones, one.mean, other.mean),
        np.where(zones, one.lower, other.lower),
        np.where(zones, one.upper, other.upper),
        {h: _merge_forecasts(zones, each, other.ahead[h]) for h, each in one.ahead.items()},
    )
