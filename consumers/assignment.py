"""One consumer's share of the work: some partitions, whose hours are complete each on its own.

Whichever consumer has a partition, and however many consumers there are, what is written is
the same: nothing but the partition's own events decides when its hours are complete.
"""

from collections.abc import Iterable, Mapping

import numpy as np

from consumers.pending import ClosedHour, Forecast, HourUpdate, PendingHours, TopicPartition
from rushhour.core.events import HourlyRides, Prediction
from rushhour.storage.columns import Floats, ZoneMask, zones_of


def partitions_of(process: int, processes: int, partitions: int) -> dict[int, ZoneMask]:
    """Return the partitions of one of `processes` consumers, each with its zones.

    Partitions without a zone are nobody's.

    >>> [list(partitions_of(process, 2, 4)) for process in (0, 1)]
    [[0, 2], [1, 3]]
    """
    every = {partition: zones_of(partition, partitions) for partition in range(partitions)}
    busy = {partition: zones for partition, zones in every.items() if zones.any()}
    return {partition: busy[partition] for partition in list(busy)[process::processes]}


class AssignedPartitions:
    """The pending hours of each partition that this consumer has."""

    def __init__(self, pending: Mapping[int, PendingHours]) -> None:
        self._pending = dict(pending)

    @property
    def repeats(self) -> int:
        """How many events were dropped because they had been handed on already."""
        return sum(pending.repeats for pending in self._pending.values())

    def next_hours(self) -> dict[int, int]:
        """Return the first hour not yet closed of each partition (epoch ms)."""
        return {partition: pending.next_hour for partition, pending in self._pending.items()}

    def add_rides(self, partition: int, offset: int, event: HourlyRides) -> None:
        """Take in the rides of one zone and hour."""
        self._pending[partition].add_rides(partition, offset, event)

    def add_prediction(self, partition: int, offset: int, event: Prediction) -> None:
        """Take in the prediction of one zone and hour."""
        self._pending[partition].add_prediction(partition, offset, event)

    def take(self) -> list[HourUpdate]:
        """Return what has become complete, in order of hours, one unit for all its zones."""
        return join(unit for pending in self._pending.values() for unit in pending.take())

    def positions(self) -> dict[TopicPartition, int]:
        """Return the offset after the last event taken in from each partition."""
        every = [pending.positions for pending in self._pending.values()]
        return {place: offset for positions in every for place, offset in positions.items()}

    def offsets(self) -> dict[TopicPartition, int]:
        """Return the next offset to read of each partition, were the process to restart now."""
        every = [pending.offsets() for pending in self._pending.values()]
        return {place: offset for offsets in every for place, offset in offsets.items()}


def join(units: Iterable[HourUpdate]) -> list[HourUpdate]:
    """Put units of the same hour and kind together, forecasts first, hours in order."""
    forecasts: dict[int, Forecast] = {}
    hours: dict[int, ClosedHour] = {}
    for unit in units:
        if isinstance(unit, Forecast):
            forecasts[unit.hour_ts] = _join_forecasts(forecasts.get(unit.hour_ts), unit)
        else:
            hours[unit.hour_ts] = _join_hours(hours.get(unit.hour_ts), unit)
    return [
        *(forecasts[hour_ts] for hour_ts in sorted(forecasts)),
        *(hours[hour_ts] for hour_ts in sorted(hours)),
    ]


def _join_forecasts(one: Forecast | None, other: Forecast) -> Forecast:
    if one is None:
        return other

    def both(column: Floats, beside: Floats) -> Floats:
        return np.where(one.zones, column, beside)

    return Forecast(
        other.hour_ts,
        {name: both(column, other.by_model[name]) for name, column in one.by_model.items()},
        lower=both(one.lower, other.lower),
        upper=both(one.upper, other.upper),
        drift=both(one.drift, other.drift),
        zones=one.zones | other.zones,
    )


def _join_hours(one: ClosedHour | None, other: ClosedHour) -> ClosedHour:
    if one is None:
        return other
    rides = np.where(one.zones, one.rides, other.rides)
    return ClosedHour(other.hour_ts, rides, _join_forecasts(one.forecast, other.forecast))
