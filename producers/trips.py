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
import pyarrow.compute as pc

from producers.parquet import read_columns
from producers.synthetic import synthetic_trips
from rushhour.core.arrays import Ints, Mask
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
    read, `rejected` the number of rows rejected for each of `REASONS`.
    """

    pickup_ts: npt.NDArray[np.int64]
    zone: npt.NDArray[np.int16]
    rows: int
    rejected: dict[str, int]

    def __len__(self) -> int:
        return len(self.pickup_ts)

    def slice(self, start_ts: int, end_ts: int) -> tuple[int, int]:
        """Return the first index of the trips in [`start_ts`, `end_ts`) and the index after."""
        first, end = np.searchsorted(self.pickup_ts, (start_ts, end_ts), side="left")
        return int(first), int(end)


def select_trips(
    pickup_ms: Ints,
    zone: Ints,
    window: tuple[int, int],
    null_time: Mask | None = None,
    null_zone: Mask | None = None,
) -> TripTable:
    """Select the rows that are trips of a window, ordered by pickup time.

    Rows with the same pickup time keep their order.

    Parameters
    ----------
    pickup_ms
        Pickup time of each row, epoch milliseconds.
    zone
        Pickup zone of each row.
    window
        First instant and end (exclusive), epoch milliseconds.
    null_time, null_zone
        Which rows have no time or no zone; their values in the arrays are ignored.
    """
    start, end = window
    never = np.zeros(len(pickup_ms), np.bool_)
    checks = (
        never if null_time is None else null_time,
        (pickup_ms < start) | (pickup_ms >= end),
        never if null_zone is None else null_zone,
        (zone < FIRST_ZONE) | (zone > LAST_ZONE),
    )
    kept = ~never
    rejected: dict[str, int] = {}
    for reason, failed in zip(REASONS, checks, strict=True):
        rejected[reason] = int(np.count_nonzero(kept & failed))
        kept &= ~failed
    times = pickup_ms[kept].astype(np.int64)
    order = np.argsort(times, kind="stable")
    return TripTable(times[order], zone[kept].astype(np.int16)[order], len(pickup_ms), rejected)


def read_trips(path: Path, dataset: str, month: str, sha256: str | None = None) -> TripTable:
    """Read the trips of a month from a TLC Parquet file.

    Parameters
    ----------
    path
        The file, which is read once.
    dataset
        `yellow` or `green`.
    month
        The month, such as `2024-10`: trips outside of it are rejected.
    sha256
        What the content must be; None for any content.

    Raises
    ------
    DataError
        If the file cannot be read, is not a file of this dataset, has another content, or has no
        trip of the month.
    UsageError
        If the month is invalid.
    """
    window = parse_month(month)
    table = read_columns(path, dataset, sha256, lambda times, zones: _select(times, zones, window))
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


def _select(times: Any, zones: Any, window: tuple[int, int]) -> TripTable:
    return select_trips(
        _epoch_ms(times),
        _to_numpy(zones),
        window,
        null_time=_nulls(times),
        null_zone=_nulls(zones),
    )


def _epoch_ms(times: Any) -> npt.NDArray[np.int64]:
    ticks: npt.NDArray[np.int64] = _to_numpy(times.cast(pa.int64()))
    per_ms = _TICKS_PER_MS[times.type.unit]
    return ticks if per_ms == 1 else ticks // per_ms


def _to_numpy(column: Any) -> npt.NDArray[Any]:
    if column.null_count:
        column = pc.fill_null(column, 0)
    # to_numpy() of Arrow imports pandas, which takes longer than reading the file.
    return np.from_dlpack(column.combine_chunks())


def _nulls(column: Any) -> Mask | None:
    if not column.null_count:
        return None
    mask: Mask = column.is_null().to_numpy()
    return mask
