"""The months of a run, each read by itself: after its surges, at the times of the run."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Protocol

from producers.month.surge import apply_surges, count_surged
from producers.month.trips import TripTable, read_trips, synthetic_table
from rushhour.core.hours import parse_month
from rushhour.core.run import RunInfo


class Months(Protocol):
    """Months in a row that can be read one by one."""

    @property
    def starts(self) -> Sequence[int]:
        """The first instant of each month (epoch ms), ascending."""

    def read(self, index: int) -> TripTable:
        """Return the trips of a month; for the first time, months are read in order."""


class RunMonths:
    """The months of a run. What a surge had in the months before is kept, so that it goes on."""

    def __init__(self, run: RunInfo) -> None:
        self._run = run
        self._months = run.months
        self._surged = [[0] * len(run.surges)]  # trips of each surge before each month

    @property
    def starts(self) -> list[int]:
        """The first instant of each month (epoch ms), at the times of the run."""
        return [parse_month(month)[0] + self._run.shift_ms for month in self._months]

    def read(self, index: int) -> TripTable:
        """Return the trips of a month; for the first time, months are read in order.

        Raises
        ------
        DataError
            If its file cannot be read, or is not the one that the run started with.
        """
        run, before = self._run, self._surged[index]
        trips = self._read(index)
        if index + 1 == len(self._surged):
            counts = count_surged(trips, run.surges)
            self._surged.append([a + b for a, b in zip(before, counts, strict=True)])
        table = apply_surges(trips, run.surges, before)
        return replace(table, pickup_ts=table.pickup_ts + run.shift_ms) if run.shift_ms else table

    def _read(self, index: int) -> TripTable:
        run, month = self._run, self._months[index]
        if run.synthetic:
            return synthetic_table(run.dataset, month)
        file = run.trip_files[index]
        return read_trips(Path(file.path), run.dataset, month, file.sha256)
