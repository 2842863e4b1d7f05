"""Rides per hour and zone, straight from a file: a backtest replays them, `verify` expects them.

Trips are counted with one pandas group-by, independently of the live pipeline. A file may also
hold hourly counts already, as the table of a feature store does.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from producers.month.datasets import ZONE_COLUMN, pickup_column
from producers.month.parquet import check_columns, parquet_errors
from producers.month.synthetic import synthetic_trips
from rushhour.core.errors import DataError
from rushhour.core.events import EARLIEST_MS, LATEST_MS
from rushhour.core.hours import HOUR_MS, HOURS_PER_DAY, clock_label, parse_month
from rushhour.core.table_columns import HOUR, RIDES, ZONE
from rushhour.core.zones import FIRST_ZONE, LAST_ZONE, ZONE_COUNT, ZONE_IDS

Table = pd.DataFrame  # hours (naive timestamps, without gaps) x zones

_COLUMNS = (HOUR, RIDES, ZONE)

# A stray hour years away would otherwise be joined to the others by years of zeros.
_MOST_HOURS = 5 * 366 * HOURS_PER_DAY


def hours_between(start_ts: int, end_ts: int) -> pd.DatetimeIndex:
    """Return the hours of [`start_ts`, `end_ts`), both epoch milliseconds."""
    start, end = (pd.Timestamp(ts, unit="ms") for ts in (start_ts, end_ts))
    return pd.date_range(start, end, freq="h", inclusive="left")


@dataclass(frozen=True, slots=True, eq=False)
class MonthCounts:
    """Trips of one or more months per hour and zone, and what became of the rows of their files.

    `rejected` has the number of rows for each reason of `producers.month.trips.REASONS`; a row
    counts for the first that applies.
    """

    table: Table
    rows: int
    rejected: dict[str, int]


def count_month(file: Path | None, dataset: str, month: str) -> MonthCounts:
    """Count the trips of a month per hour and zone, zeros included; synthetic ones without a file.

    Raises
    ------
    DataError
        If the file cannot be read or is not of the dataset.
    """
    rows = _synthetic(dataset, month) if file is None else _trips(file, dataset)
    start, end = (pd.Timestamp(ts, unit="ms") for ts in parse_month(month))
    rejected: dict[str, int] = {}
    trips = rows
    for reason, keep in (
        ("null_time", trips["pickup"].notna()),
        ("outside_month", (trips["pickup"] >= start) & (trips["pickup"] < end)),
        ("null_zone", trips["zone"].notna()),
        ("unknown_zone", trips["zone"].between(FIRST_ZONE, LAST_ZONE)),
    ):
        kept = trips[keep.loc[trips.index]]
        rejected[reason] = len(trips) - len(kept)
        trips = kept
    counts = trips.groupby([trips["pickup"].dt.floor("h"), "zone"]).size().unstack(fill_value=0)
    table = counts.reindex(
        index=hours_between(*parse_month(month)), columns=list(ZONE_IDS), fill_value=0
    )
    return MonthCounts(table, len(rows), rejected)


def count_months(files: Sequence[Path], dataset: str, months: Sequence[str]) -> MonthCounts:
    """Count the trips of months in a row, each from its file; synthetic ones without files.

    Raises
    ------
    DataError
        If a file cannot be read or is not of the dataset.
    """
    of_each = [
        count_month(files[index] if files else None, dataset, month)
        for index, month in enumerate(months)
    ]
    rejected: Counter[str] = Counter()
    for each in of_each:
        rejected.update(each.rejected)
    table = pd.concat([each.table for each in of_each])
    return MonthCounts(table, sum(each.rows for each in of_each), dict(rejected))


def holds_hourly_counts(file: Path) -> bool:
    """Return whether a file looks like hourly counts; False for one that cannot be read."""
    try:
        names = set(pq.read_schema(file).names)
    except (OSError, pa.ArrowException):
        return False
    return HOUR in names or RIDES in names


def read_hourly_counts(file: Path) -> Table:
    """Read a Parquet file with one row for each hour and zone.

    Its columns are `pickup_hour` (a timestamp: without a zone, or UTC), `rides` and
    `pickup_location_id`. Pairs of an hour between the first and the last one and a zone that are
    not in the file had no rides.

    Raises
    ------
    DataError
        If the file cannot be read, or a row is invalid. Names the row.
    """
    try:
        table = pq.read_table(file, columns=_present(file))
    except (OSError, pa.ArrowException) as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise DataError(f"{file}: not a readable Parquet file ({reason})") from None
    if not table.num_rows:
        raise DataError(f"{file}: has no rows: name a file with hourly rides")
    hour_ts = _hours(file, table.column(HOUR))
    rides = _whole_numbers(file, RIDES, table.column(RIDES))
    zone = _whole_numbers(file, ZONE, table.column(ZONE))
    _refuse(file, hour_ts, zone, rides < 0, lambda i: f"{rides[i]} rides: they cannot be negative")
    unknown = (zone < FIRST_ZONE) | (zone > LAST_ZONE)
    _refuse(file, hour_ts, zone, unknown, lambda _: f"zones are {FIRST_ZONE} to {LAST_ZONE}")
    twice = np.asarray(pd.DataFrame({"hour": hour_ts, "zone": zone}).duplicated())
    _refuse(file, hour_ts, zone, twice, lambda _: "occurs twice: keep one row")
    start, end = int(hour_ts.min()), int(hour_ts.max()) + HOUR_MS
    if (end - start) // HOUR_MS > _MOST_HOURS:
        raise DataError(
            f"{file}: spans {clock_label(start)} to {clock_label(end - HOUR_MS)}, more than "
            "five years: check its first and its last hour"
        )
    counts = np.zeros(((end - start) // HOUR_MS, ZONE_COUNT), np.int64)
    counts[(hour_ts - start) // HOUR_MS, zone - FIRST_ZONE] = rides
    return pd.DataFrame(counts, index=hours_between(start, end), columns=list(ZONE_IDS))


def _present(file: Path) -> list[str]:
    names = pq.read_schema(file).names
    for name in _COLUMNS:
        if name not in names:
            raise DataError(
                f"{file}: has no column {name}: hourly counts have {HOUR}, {RIDES} and {ZONE}"
            )
    return list(_COLUMNS)


def _hours(file: Path, column: Any) -> npt.NDArray[np.int64]:
    """Return the hours as epoch milliseconds."""
    if not pa.types.is_timestamp(column.type) or column.type.tz not in (None, "UTC"):
        raise DataError(
            f"{file}: column {HOUR} is {column.type}, not a timestamp (without a zone, or UTC)"
        )
    _refuse_nulls(file, HOUR, column)
    times = np.asarray(column.to_numpy())
    hours: npt.NDArray[np.int64] = times.astype("datetime64[ms]").astype(np.int64)
    for i in np.flatnonzero(times != times.astype("datetime64[h]"))[:1]:
        raise DataError(
            f"{file}: {HOUR} {times[i]} is not the start of an hour: count rides by whole hours"
        )
    for i in np.flatnonzero((hours < EARLIEST_MS) | (hours >= LATEST_MS))[:1]:
        raise DataError(
            f"{file}: {HOUR} {clock_label(int(hours[i]))} lies outside of 2009 to 2261: "
            "was it made from epoch seconds, or from milliseconds?"
        )
    return hours


def _whole_numbers(file: Path, name: str, column: Any) -> npt.NDArray[np.int64]:
    _refuse_nulls(file, name, column)
    if pa.types.is_integer(column.type):
        return np.asarray(column.to_numpy()).astype(np.int64)
    # A join in pandas makes floats of whole numbers.
    if not pa.types.is_floating(column.type):
        raise DataError(f"{file}: column {name} is {column.type}, not whole numbers")
    values = np.asarray(column.to_numpy(), dtype=np.float64)
    # Floats are exact below 2**53. This also refuses infinity, and NaN, which compares as False.
    for i in np.flatnonzero(~(np.abs(values) < 2.0**53) | (values != np.floor(values)))[:1]:
        raise DataError(f"{file}: {name} {values[i]} is not a whole number")
    return values.astype(np.int64)


def _refuse_nulls(file: Path, name: str, column: Any) -> None:
    if column.null_count:
        raise DataError(f"{file}: column {name} has {column.null_count} empty cells: fill them")


def _refuse(
    file: Path,
    hour_ts: npt.NDArray[np.int64],
    zone: npt.NDArray[np.int64],
    bad: npt.NDArray[np.bool_],
    why: Any,
) -> None:
    """Raise for the first bad row, if there is one."""
    for i in np.flatnonzero(bad)[:1]:
        where = f"zone {zone[i]} at {clock_label(int(hour_ts[i]))}"
        raise DataError(f"{file}: {where}: {why(i)}")


def _trips(file: Path, dataset: str) -> Table:
    check_columns(file, dataset)
    pickup = pickup_column(dataset)
    with parquet_errors(file):
        frame = pd.read_parquet(
            file, columns=[pickup, ZONE_COLUMN], page_checksum_verification=True
        )
    return frame.rename(columns={pickup: "pickup", ZONE_COLUMN: "zone"})


def _synthetic(dataset: str, month: str) -> Table:
    pickup_ts, zone = synthetic_trips(dataset, month)
    return pd.DataFrame({"pickup": pd.to_datetime(pickup_ts, unit="ms"), "zone": zone})
