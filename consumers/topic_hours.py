"""The hours of one topic and partition, as their events arrive.

The events of each topic are one sequence of hours. A dataflow that restarts, or two at once, write
parts of it again, so what arrives below the position reached is a duplicate, dropped and counted.
What arrives above it means that something is missing.
"""

from collections.abc import Sequence
from itertools import groupby

import numpy as np

from rushhour.core.arrays import Floats, Ints, ZoneMask
from rushhour.core.errors import EventError
from rushhour.core.events import HourEnd
from rushhour.core.hours import HOUR_MS, clock_label
from rushhour.core.zones import ZONE_COUNT

ADVICE = (
    "records were lost, or are not the dataflow's: start a new run, or pass over a record with "
    "`rushhour skip`"
)


class PartialHour:
    """Events of one hour of one topic, as far as they have arrived.

    Attributes
    ----------
    first_offset
        The offset of the first of them.
    fields
        Names of the fields of an event.
    values
        `float64[fields, zones]`: NaN where no event has arrived, or has no value.
    arrived
        The zones whose event has arrived.
    end
        The end of the hour, None if it has not arrived.
    """

    def __init__(self, first_offset: int, fields: tuple[str, ...]) -> None:
        self.first_offset = first_offset
        self.fields = fields
        self.values: Floats = np.full((len(self.fields), ZONE_COUNT), np.nan)
        self.arrived: ZoneMask = np.zeros(ZONE_COUNT, np.bool_)
        self.end: HourEnd | None = None

    def add(self, columns: Ints, values: Floats) -> int:
        """Add events in order; return how many were dropped because their zone has one already.

        Parameters
        ----------
        columns
            The column of the zone of each event.
        values
            `float64[fields, events]`.
        """
        is_new = np.zeros(len(columns), np.bool_)
        is_new[np.unique(columns, return_index=True)[1]] = True  # the first of each zone
        is_new &= ~self.arrived[columns]
        self.values[:, columns[is_new]] = values[:, is_new]
        self.arrived[columns] = True
        return len(columns) - int(is_new.sum())


class TopicHours:
    """The hours of one topic and partition that have not been returned.

    Attributes
    ----------
    due
        The first hour that has not arrived as a whole (epoch ms).
    position
        The offset after the last event added.
    duplicates
        How many events were dropped because they had arrived already.

    Parameters
    ----------
    topic, partition
        For errors.
    zones
        With the events of so many zones, an hour has arrived as a whole; None if only its end
        tells.
    """

    def __init__(
        self, topic: str, partition: int, due: int, position: int, zones: int | None = None
    ) -> None:
        self.due = due
        self.position = position
        self.duplicates = 0
        self._topic = topic
        self._partition = partition
        self._zones = zones
        self._hours: dict[int, PartialHour] = {}

    def put(
        self,
        offsets: Sequence[int],
        hours: Sequence[int],
        columns: Ints,
        fields: tuple[str, ...],
        values: Floats,
    ) -> None:
        """Add events, in order.

        Parameters
        ----------
        offsets, hours
            The offset and the hour (epoch ms) of each event.
        columns, fields, values
            As `PartialHour` takes them.

        Raises
        ------
        EventError
            If events are missing before one.
        """
        first = 0
        for hour_ts, of_hour in groupby(hours):
            end = first + sum(1 for _ in of_hour)
            hour = self._at(hour_ts, offsets[first:end], fields)
            if hour is not None:
                self.duplicates += hour.add(columns[first:end], values[:, first:end])
                if self._zones is not None and int(hour.arrived.sum()) == self._zones:
                    self.due += HOUR_MS
            first = end

    def put_end(self, offset: int, end: HourEnd) -> None:
        """Add the end of an hour: the hour has arrived as a whole.

        Raises
        ------
        EventError
            If events are missing before it.
        """
        hour = self._at(end.end_ts, [offset])
        if hour is not None:
            hour.end = end
            self.due += HOUR_MS

    def pop(self, hour_ts: int) -> PartialHour:
        """Remove an hour and return it; an empty one if nothing has arrived."""
        return self._hours.pop(hour_ts, None) or PartialHour(0, ())

    def first_offset(self) -> int:
        """Return the offset of the first event that waits; the position if there is none."""
        return min((hour.first_offset for hour in self._hours.values()), default=self.position)

    def _at(
        self, hour_ts: int, offsets: Sequence[int], fields: tuple[str, ...] | None = None
    ) -> PartialHour | None:
        """Return the hour to which events belong, None if the whole hour has arrived already."""
        self.position = offsets[-1] + 1
        if hour_ts < self.due:
            self.duplicates += len(offsets)
            return None
        if hour_ts > self.due:
            raise EventError(
                f"topic '{self._topic}' partition {self._partition} offset {offsets[0]}: the hour "
                f"{clock_label(hour_ts)} came before {clock_label(self.due)} was complete: {ADVICE}"
            )
        found = self._hours.get(hour_ts)
        if found is None:
            found = self._hours[hour_ts] = PartialHour(offsets[0], fields or ())
        if fields is not None and fields != found.fields:
            raise EventError(
                f"topic '{self._topic}' partition {self._partition} offset {offsets[0]}: it has "
                f"{', '.join(fields)} instead of {', '.join(found.fields)}: {ADVICE}"
            )
        return found
