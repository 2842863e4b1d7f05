"""Predictions and actual rides as two tables, and how their rows join.

A row joins if its keys equal those of an actual row in type and in value, as a feature store, SQL
or polars compares them: a time as a timestamp with a zone, a zone id as an integer.
"""

from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np

from rushhour.core.arrays import Mask
from rushhour.core.hours import clock_label
from rushhour.core.table_columns import HOUR, PREDICTED, RIDES, TS, ZONE
from rushhour.simulator.diagnosis.finding import Row
from rushhour.simulator.diagnosis.numbers import Numbers, read_numbers
from rushhour.simulator.diagnosis.times import Ints, Times, read_times, write_times

TIME_COLUMNS = (HOUR, TS)
# Ids below are told apart in a key of time and zone.
_MOST_IDS = 1 << 20
_NO_KEY = -1


@dataclass(frozen=True, eq=False)
class Table:
    """An Arrow table, with its key columns read once."""

    arrow: Any
    _times: dict[str, Times] = field(default_factory=dict)
    _numbers: dict[str, Numbers] = field(default_factory=dict)

    def __len__(self) -> int:
        return int(self.arrow.num_rows)

    def __contains__(self, name: str) -> bool:
        return name in self.arrow.column_names

    @property
    def columns(self) -> list[str]:
        """Names of the columns."""
        names: list[str] = self.arrow.column_names
        return names

    def times(self, name: str) -> Times:
        """Return a column of times."""
        if name not in self._times:
            self._times[name] = read_times(self.arrow.column(name))
        return self._times[name]

    def numbers(self, name: str) -> Numbers:
        """Return a column of numbers."""
        if name not in self._numbers:
            self._numbers[name] = read_numbers(self.arrow.column(name))
        return self._numbers[name]

    def keys(self, time: str, shift_ms: int | Ints = 0) -> Ints:
        """Return a number for each hour and zone; -1 where one of them cannot be read.

        `shift_ms` is added to the times.
        """
        times, ids = self.times(time), self.numbers(ZONE).ids
        usable = times.readable & (ids >= 0) & (ids < _MOST_IDS)
        return np.where(usable, (times.ts + shift_ms) * _MOST_IDS + ids, _NO_KEY)

    def with_column(self, name: str, values: Any) -> Any:
        """Return the Arrow table with another column in the place of one, or one more."""
        if name not in self:
            return self.arrow.append_column(name, values)
        return self.arrow.set_column(self.columns.index(name), name, values)

    def row(self, index: int, names: tuple[str, ...]) -> Row:
        """Return some columns of a row as text."""
        return {name: _text(self.arrow.column(name)[index]) for name in names if name in self}


@dataclass(frozen=True, eq=False)
class Case:
    """Predictions that are to join with actual rides."""

    predictions: Table
    actuals: Table

    def with_predictions(self, arrow: Any) -> "Case":
        """Return the case with other predictions."""
        return replace(self, predictions=Table(arrow))

    @cached_property
    def time_columns(self) -> tuple[str, ...]:
        """Names of the columns of times that both tables have."""
        return tuple(n for n in TIME_COLUMNS if n in self.predictions and n in self.actuals)

    @property
    def time(self) -> str:
        """Name of the column of times on which the tables are joined first."""
        return self.time_columns[0]

    @cached_property
    def joins(self) -> Mask:
        """Which rows of the predictions join with an actual row, by every time that both have."""
        if not self.time_columns or not (ZONE in self.predictions and ZONE in self.actuals):
            return np.zeros(len(self.predictions), np.bool_)
        found: Mask = np.logical_and.reduce([self._joins_by(name) for name in self.time_columns])
        return found

    def _joins_by(self, name: str) -> Mask:
        mine, theirs = self.predictions.times(name), self.actuals.times(name)
        zones, actual_zones = self.predictions.numbers(ZONE), self.actuals.numbers(ZONE)
        none = np.zeros(len(self.predictions), np.bool_)
        if form_of(mine) != form_of(theirs) or zones.kind != actual_zones.kind:
            return none
        unit = theirs.declared_unit
        keys, actual = self.predictions.keys(name), self.actuals.keys(name)
        actual = actual[theirs.whole_ms & (theirs.units == unit) | (theirs.units < 0)]
        exact = mine.whole_ms & ((mine.units == _unit_of(mine, unit)) | (mine.units < 0))
        found: Mask = exact & (keys >= 0) & np.isin(keys, actual)
        return found

    def example(
        self, rows: Mask, time: str | None = None, shift_ms: int | Ints = 0
    ) -> tuple[Row | None, Row | None]:
        """Return one of some rows of the predictions, and the closest actual row.

        That is the one of the same zone and hour if there is one, else the last one of the zone.
        `shift_ms` is added to the times of the predictions to find it.
        """
        if not rows.any():
            return None, None
        name = time or self.time
        mine, ids = self.predictions.times(name), self.predictions.numbers(ZONE).ids
        theirs, zones = self.actuals.times(name), self.actuals.numbers(ZONE).ids
        known = rows & np.isin(ids, zones[theirs.readable])
        index = int((known if known.any() else rows).argmax())
        same = np.flatnonzero((zones == ids[index]) & theirs.readable)
        if not len(same):
            same = np.flatnonzero(theirs.readable)
        ts = (mine.ts + shift_ms)[index]
        at_hour = same[theirs.ts[same] == ts]
        closest = int(at_hour[0]) if len(at_hour) else int(same[theirs.ts[same].argmax()])
        return (
            self.predictions.row(index, (name, ZONE, PREDICTED)),
            self.actuals.row(closest, (name, ZONE, RIDES)),
        )


def form_of(times: Times) -> tuple[object, ...]:
    """Return what must be equal for times to be comparable."""
    zoned = times.all_zoned if times.kind in {"timestamp", "text"} else True
    return (times.kind, zoned, times.style if times.kind == "text" else None)


def span_label(times: Times) -> str:
    """Return the first and the last time of a column, in words."""
    ts = times.ts[times.readable]
    if not len(ts):
        return "no hours"
    first, last = clock_label(int(ts.min())), clock_label(int(ts.max()))
    return first if first == last else f"{first} to {last}"


def hours_label(count: int) -> str:
    """Return a number of hours in words.

    >>> hours_label(1), hours_label(-4)
    ('1 hour', '4 hours')
    """
    return f"{abs(count)} hour{'' if abs(count) == 1 else 's'}"


def shifted(table: Table, name: str, shift_ms: int | Ints) -> Any:
    """Return the Arrow table with a column of times moved on, in the form that it has.

    None if its texts are not all written in one known way.
    """
    times = table.times(name)
    values = write_times(times.ts + shift_ms, times.readable, times)
    return None if values is None else table.with_column(name, values)


def _unit_of(times: Times, wanted: int) -> int:
    """Return the unit that numbers must be in: what a timestamp declares, else the wanted one."""
    return times.declared_unit if times.kind == "timestamp" else wanted


def _text(scalar: Any) -> str:
    """Return an Arrow scalar as text; empty for null."""
    try:
        value = scalar.as_py()
    except (OverflowError, ValueError):  # a timestamp after the year 9999
        value = f"{scalar.value} {scalar.type.unit} since 1970"
    return "" if value is None else str(value)
