"""Trips of one month, as arrays ordered by pickup time.

Times are epoch milliseconds. TLC files hold New York wall-clock times without a time zone: they
are kept and labelled UTC, here and nowhere else.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from producers.month.parquet import Batches, read_columns
from producers.month.synthetic import synthetic_trips
from rushhour.core.arrays import Counts, Ints, Mask
from rushhour.core.errors import DataError
from rushhour.core.hours import parse_month
from rushhour.core.zones import FIRST_ZONE, LAST_ZONE

# Reasons to reject a row, in the order of the checks: a row counts for the first that applies.
REASONS = ("null_time", "outside_month", "null_zone", "unknown_zone")
_TICKS_PER_MS = {"ms": 1, "us": 1_000, "ns": 1_000_000}


@dataclass(frozen=True, slots=True, eq=False)
class TripTable:
    """The selected trips of a month.

    `pickup_ts` is epoch milliseconds, ascending; `zone` is 1 to 265. `rows` is the number of rows
    read, `rejected` the number of rows rejected for each of `REASONS`. `copies` is how often each
    trip comes, in its place; None for once.
    """

    pickup_ts: npt.NDArray[np.int64]
    zone: npt.NDArray[np.int16]
    rows: int
    rejected: dict[str, int]
    copies: Counts | None = None

    def __len__(self) -> int:
        return len(self.pickup_ts) if self.copies is None else int(self.copies.sum())

    def slice(self, start_ts: int, end_ts: int) -> tuple[int, int]:
        """Return where the trips in [`start_ts`, `end_ts`) begin and end in the arrays."""
        first, end = np.searchsorted(self.pickup_ts, (start_ts, end_ts), side="left")
        return int(first), int(end)


class TripSelection:
    """Selects the rows that are trips of a window, from batches of the rows of a file.

    Parameters
    ----------
    rows
        The number of rows, at least.
    window
        First instant and end (exclusive), epoch milliseconds.
    """

    def __init__(self, rows: int, window: tuple[int, int]) -> None:
        self._window = window
        self._times = np.empty(rows, np.int64)
        self._zones = np.empty(rows, np.int16)
        self._rejected = dict.fromkeys(REASONS, 0)
        self._kept = 0

    def add(
        self,
        pickup_ms: Ints,
        zone: Ints,
        null_time: Mask | None = None,
        null_zone: Mask | None = None,
    ) -> None:
        """Select from the next rows.

        Parameters
        ----------
        pickup_ms
            Pickup time of each row, epoch milliseconds.
        zone
            Pickup zone of each row.
        null_time, null_zone
            Which rows have no time or no zone; their values in the arrays are ignored.
        """
        start, until = self._window
        never = np.zeros(len(pickup_ms), np.bool_)
        checks = (
            never if null_time is None else null_time,
            (pickup_ms < start) | (pickup_ms >= until),
            never if null_zone is None else null_zone,
            (zone < FIRST_ZONE) | (zone > LAST_ZONE),
        )
        kept = ~never
        for reason, failed in zip(REASONS, checks, strict=True):
            self._rejected[reason] += int(np.count_nonzero(kept & failed))
            kept &= ~failed
        end = self._kept + int(np.count_nonzero(kept))
        self._times[self._kept : end] = pickup_ms[kept]
        self._zones[self._kept : end] = zone[kept]
        self._kept = end

    def table(self) -> TripTable:
        """Return the selected trips; those of one pickup time are in the order of their rows."""
        times, zone = self._times[: self._kept], self._zones[: self._kept]
        start, _ = self._window
        # Time and row in one number, sorted in place: less memory than an index of a stable sort.
        # A month in ms has 32 bits, which leaves 31 for the row.
        row_bits = len(times).bit_length()
        times -= start
        times <<= row_bits
        row = np.arange(len(times))
        times |= row
        times.sort(kind="stable")  # the fastest, since files are nearly in order
        zone = zone[np.bitwise_and(times, (1 << row_bits) - 1, out=row)]
        times >>= row_bits
        times += start
        rows = self._kept + sum(self._rejected.values())
        return TripTable(times, zone, rows, self._rejected)


def read_trips(path: Path, dataset: str, month: str, sha256: str | None = None) -> TripTable:
    """Read the trips of a month from a TLC Parquet file.

    Parameters
    ----------
    path
        The file.
    dataset
        `yellow` or `green`.
    month
        The month, such as `2024-10`: trips outside of it are rejected.
    sha256
        What the content must be; None for any content.

    Raises
    ------
    DataError
        If the file cannot be read, is not a file of this dataset, has another content, is written
        to meanwhile, or has no trip of the month.
    UsageError
        If the month is invalid.
    """
    window = parse_month(month)
    table = read_columns(
        path, dataset, sha256, lambda rows, batches: _select(rows, batches, window)
    )
    if not len(table):
        counts = ", ".join(f"{reason} {count}" for reason, count in table.rejected.items())
        raise DataError(
            f"{path}: no trip of {month} in {table.rows} rows (rejected: {counts}): check --month"
        )
    return table


def synthetic_table(dataset: str, month: str) -> TripTable:
    """Return a synthetic month as if it had been read from a file.

    Raises
    ------
    DataError
        If there are no rates for the dataset.
    UsageError
        If the month is invalid.
    """
    pickup_ts, zone = synthetic_trips(dataset, month)
    return TripTable(pickup_ts, zone, len(pickup_ts), dict.fromkeys(REASONS, 0))


def _select(rows: int, batches: Batches, window: tuple[int, int]) -> TripTable:
    selection = TripSelection(rows, window)
    for times, zones in batches:
        selection.add(_epoch_ms(times), _to_numpy(zones), _nulls(times), _nulls(zones))
    return selection.table()


def _epoch_ms(times: Any) -> npt.NDArray[np.int64]:
    ticks: npt.NDArray[np.int64] = _to_numpy(times.view(pa.int64()))
    per_ms = _TICKS_PER_MS[times.type.unit]
    return ticks if per_ms == 1 else ticks // per_ms


def _to_numpy(column: Any) -> npt.NDArray[Any]:
    if column.null_count:
        column = column.fill_null(0)
    # to_numpy() of Arrow imports pandas, which takes longer than reading the file.
    return np.from_dlpack(column)


def _nulls(column: Any) -> Mask | None:
    if not column.null_count:
        return None
    mask: Mask = column.is_null().to_numpy(zero_copy_only=False)
    return mask
