"""Trips of one month, as arrays ordered by pickup time.

Times are epoch milliseconds. TLC files hold New York wall-clock times without a time zone: they
are kept and labelled UTC, here and nowhere else.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from producers.datasets import (
    PICKUP_COLUMNS,
    ZONE_COLUMN,
    is_a_directory,
    no_such_file,
    pickup_column,
)
from producers.synthetic import synthetic_trips
from rushhour.core.arrays import Ints, Mask
from rushhour.core.errors import DataError
from rushhour.core.hours import parse_month
from rushhour.core.zones import FIRST_ZONE, LAST_ZONE

# Reasons to reject a row, in the order of the checks: a row counts for the first that applies.
REASONS = ("null_time", "outside_month", "null_zone", "unknown_zone")
_MAGIC = b"PAR1"
_TICKS_PER_MS = {"ms": 1, "us": 1_000, "ns": 1_000_000}


@dataclass(frozen=True, slots=True, eq=False)
class TripTable:
    """The selected trips of a month. The index of a trip is its `seq`.

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


def read_trips(path: Path, dataset: str, month: str) -> TripTable:
    """Read the trips of a month from a TLC Parquet file.

    Raises
    ------
    DataError
        If the file cannot be read, is not a file of this dataset, or has no trip of the month.
    UsageError
        If the month is invalid.
    """
    window = parse_month(month)
    times, zones = _read_columns(path, dataset)
    table = select_trips(
        _epoch_ms(times),
        _to_numpy(zones),
        window,
        null_time=_nulls(times),
        null_zone=_nulls(zones),
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


def check_file(path: Path, dataset: str) -> None:
    """Check the columns of a TLC file of this dataset, without reading its rows.

    Raises
    ------
    DataError
        If the file is of another kind, or cannot be read.
    """
    with _open(path, dataset):
        pass


def _read_columns(path: Path, dataset: str) -> tuple[Any, Any]:
    column = pickup_column(dataset)
    with _open(path, dataset) as file:
        table = file.read(columns=[column, ZONE_COLUMN])
    return table.column(column), table.column(ZONE_COLUMN)


@contextmanager
def _open(path: Path, dataset: str) -> Iterator[Any]:
    """Yield a Parquet file whose columns have been checked."""
    if path.is_dir():
        raise is_a_directory(path)
    try:
        with pq.ParquetFile(path) as file:
            _check_schema(path, file.schema_arrow, dataset)
            yield file
    except FileNotFoundError:
        raise no_such_file(path) from None
    except (OSError, pa.ArrowException) as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise DataError(
            f"{path}: damaged Parquet file ({reason}): download it again"
            if _starts_as_parquet(path)
            else f"{path}: not a Parquet file: --data takes a TLC trip file in Parquet "
            "format, and for `backtest` also one of hourly rides"
        ) from error


def _starts_as_parquet(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            return file.read(len(_MAGIC)) == _MAGIC
    except OSError:
        return False


def _check_schema(path: Path, schema: Any, dataset: str) -> None:
    column = pickup_column(dataset)
    for other, other_column in PICKUP_COLUMNS.items():
        if column not in schema.names and other_column in schema.names:
            raise DataError(f"{path}: this is a {other} file: pass --dataset {other}")
    for name in (column, ZONE_COLUMN):
        if name not in schema.names:
            raise DataError(f"{path}: has no column {name}: pass a TLC {dataset} trip file")
    time, zone = schema.field(column).type, schema.field(ZONE_COLUMN).type
    # With any other time zone these would be instants, not wall-clock times.
    if not pa.types.is_timestamp(time) or time.tz not in (None, "UTC"):
        raise DataError(
            f"{path}: column {column} is {time}, not a timestamp without a zone: "
            f"pass a TLC {dataset} trip file"
        )
    if not pa.types.is_integer(zone):
        raise DataError(
            f"{path}: column {ZONE_COLUMN} is {zone}, not whole numbers: "
            f"pass a TLC {dataset} trip file"
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
