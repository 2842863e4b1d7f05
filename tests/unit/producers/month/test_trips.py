from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from producers.month.trips import REASONS, TripSelection, TripTable, read_trips, synthetic_table
from rushhour.core.errors import DataError
from rushhour.core.hours import DAY_MS, HOUR_MS, parse_month
from tests.fixtures.trips import official_file

MONTH = "2024-10"
START, END = parse_month(MONTH)
NOON = datetime(2024, 10, 2, 12)  # noqa: DTZ001 - as in the files, without a zone
NOON_TS = START + DAY_MS + 12 * HOUR_MS

# Hours near both edges of the month, few enough for many ties.
times = st.sampled_from([START - 1, START, START + 1, NOON_TS, END - 1, END])
rows = st.lists(
    st.tuples(times, st.sampled_from([-1, 0, 1, 2, 264, 265, 266, 70_000]), *[st.booleans()] * 2)
)


def reason_of(row: tuple[int, int, bool, bool]) -> str | None:
    ts, zone, null_time, null_zone = row
    if null_time:
        return "null_time"
    if not START <= ts < END:
        return "outside_month"
    if null_zone:
        return "null_zone"
    return None if 1 <= zone <= 265 else "unknown_zone"


def select(given_rows: list[tuple[int, int, bool, bool]], batch: int, capacity: int) -> TripTable:
    selection = TripSelection(capacity, (START, END))
    for i in range(0, len(given_rows), batch):
        times, zones, null_times, null_zones = zip(*given_rows[i : i + batch], strict=True)
        selection.add(
            np.array(times, np.int64),
            np.array(zones, np.int64),
            np.array(null_times, np.bool_),
            np.array(null_zones, np.bool_),
        )
    return selection.table()


@given(rows, st.integers(1, 10), st.integers(0, 3))
def test_the_good_rows_are_kept_in_stable_order_and_the_rest_is_counted(
    given_rows: list[tuple[int, int, bool, bool]], batch: int, spare: int
) -> None:
    table = select(given_rows, batch, len(given_rows) + spare)
    reasons = [reason_of(row) for row in given_rows]
    kept = [row for row, reason in zip(given_rows, reasons, strict=True) if reason is None]
    expected = sorted(kept, key=lambda row: row[0])  # sorted() is stable
    assert list(zip(table.pickup_ts, table.zone, strict=True)) == [row[:2] for row in expected]
    assert table.rejected == {reason: reasons.count(reason) for reason in REASONS}
    assert table.rows == len(given_rows) == len(table) + sum(table.rejected.values())
    assert (table.pickup_ts.dtype.name, table.zone.dtype.name) == ("int64", "int16")


def test_many_trips_of_one_instant_stay_in_row_order() -> None:
    # Short arrays are sorted in a way that is always stable, so the test above cannot tell.
    zone = np.random.RandomState(1).randint(1, 266, 10_000)
    selection = TripSelection(len(zone), (START, END))
    selection.add(np.tile([NOON_TS, START], 5_000), zone)
    table = selection.table()
    assert np.array_equal(table.zone, np.concatenate((zone[1::2], zone[::2])))


@given(st.lists(times, max_size=20), times, times)
def test_slice_finds_the_trips_of_a_span(stamps: list[int], start: int, end: int) -> None:
    ordered = np.array(sorted(stamps), np.int64)
    table = TripTable(ordered, np.ones(len(ordered), np.int16), len(ordered), {})
    first, after = table.slice(start, end)
    assert list(ordered[first:after]) == [ts for ts in ordered if start <= ts < end]


def write(path: Path, **columns: Any) -> Path:
    pq.write_table(pa.table(columns), path)
    return path


def test_a_file_is_read_ordered_with_ties_in_row_order(tmp_path: Path) -> None:
    second = timedelta(seconds=1)
    stamps = [NOON + second, NOON, None, NOON, NOON - 40 * timedelta(days=1), NOON, NOON]
    path = write(
        tmp_path / "trips.parquet",
        tpep_pickup_datetime=pa.array(stamps, pa.timestamp("us")),
        PULocationID=pa.array([5, 9, 9, 3, 3, None, 266], pa.int32()),
        fare_amount=[1.0] * 7,
    )
    table = read_trips(path, "yellow", MONTH)
    assert list(table.pickup_ts) == [NOON_TS, NOON_TS, NOON_TS + 1_000]
    assert list(table.zone) == [9, 3, 5]
    assert table.rows == 7
    assert table.rejected == {
        "null_time": 1,
        "outside_month": 1,
        "null_zone": 1,
        "unknown_zone": 1,
    }


@pytest.mark.parametrize("zone_type", [pa.int16(), pa.int64(), pa.uint64()])
@pytest.mark.parametrize("time_type", [pa.timestamp("ms"), pa.timestamp("ns", "UTC")])
def test_other_units_and_widths_are_read(tmp_path: Path, time_type: Any, zone_type: Any) -> None:
    path = write(
        tmp_path / "trips.parquet",
        lpep_pickup_datetime=pa.array([NOON, None], time_type),
        PULocationID=pa.array([265, 1], zone_type),
    )
    table = read_trips(path, "green", MONTH)
    assert (list(table.pickup_ts), list(table.zone)) == ([NOON_TS], [265])


@pytest.mark.parametrize(("unit", "per_ms"), [("us", 1_000), ("ns", 1_000_000)])
def test_parts_of_a_millisecond_are_cut_off_downwards(
    tmp_path: Path, unit: str, per_ms: int
) -> None:
    ticks = [START * per_ms - 1, START * per_ms, START * per_ms + per_ms - 1, END * per_ms - 1]
    path = write(
        tmp_path / "trips.parquet",
        tpep_pickup_datetime=pa.array(ticks, pa.int64()).cast(pa.timestamp(unit)),
        PULocationID=[1, 2, 3, 4],
    )
    table = read_trips(path, "yellow", MONTH)
    assert list(table.pickup_ts) == [START, START, END - 1]
    assert table.rejected["outside_month"] == 1


def test_the_green_file_as_yellow_names_the_flag(tmp_path: Path) -> None:
    path = write(tmp_path / "green.parquet", lpep_pickup_datetime=[NOON], PULocationID=[1])
    with pytest.raises(DataError, match="this is a green file: pass --dataset green"):
        read_trips(path, "yellow", MONTH)


@pytest.mark.parametrize(
    ("columns", "problem"),
    [
        ({"a": [1]}, "has no column tpep_pickup_datetime"),
        ({"tpep_pickup_datetime": [NOON]}, "has no column PULocationID"),
        ({"tpep_pickup_datetime": ["noon"], "PULocationID": [1]}, "datetime is string"),
        ({"tpep_pickup_datetime": [NOON], "PULocationID": [1.0]}, "PULocationID is double"),
        (
            {
                "tpep_pickup_datetime": pa.array([NOON], pa.timestamp("us", "America/New_York")),
                "PULocationID": [1],
            },
            "not a timestamp without a zone",
        ),
    ],
)
def test_a_file_with_other_columns_is_refused(
    tmp_path: Path, columns: dict[str, Any], problem: str
) -> None:
    path = write(tmp_path / "other.parquet", **columns)
    with pytest.raises(DataError, match=rf"other\.parquet: .*{problem}"):
        read_trips(path, "yellow", MONTH)


def test_a_file_of_another_month_is_refused_with_the_counts(tmp_path: Path) -> None:
    path = write(
        tmp_path / "trips.parquet",
        tpep_pickup_datetime=[NOON, NOON, None],
        PULocationID=[1, 1, 1],
    )
    with pytest.raises(
        DataError, match=r"no trip of 2024-09 in 3 rows .*null_time 1, outside_month 2"
    ):
        read_trips(path, "yellow", "2024-09")


@pytest.mark.parametrize("content", [b"", b"<html>not found</html>", b"time,zone\n1,2\n"])
def test_a_file_that_is_not_parquet_is_refused_with_the_accepted_format(
    tmp_path: Path, content: bytes
) -> None:
    path = tmp_path / "own.csv"
    path.write_bytes(content)
    with pytest.raises(DataError) as caught:
        read_trips(path, "yellow", MONTH)
    assert str(caught.value) == (
        f"{path}: not a Parquet file: --data takes a TLC trip file in Parquet format, and for "
        "`backtest` also one of hourly rides"
    )


def test_a_damaged_file_is_refused(tmp_path: Path) -> None:
    count = 10_000
    stamps = [NOON + timedelta(seconds=i) for i in range(count)]
    path = write(tmp_path / "trips.parquet", tpep_pickup_datetime=stamps, PULocationID=[1] * count)
    content = bytearray(path.read_bytes())
    content[4:2_000] = bytes(1_996)
    path.write_bytes(content)
    with pytest.raises(DataError, match=r"damaged Parquet file .*: download it again") as caught:
        read_trips(path, "yellow", MONTH)
    assert "\n" not in str(caught.value)
    path.write_bytes(content[:1_000])
    with pytest.raises(DataError, match="damaged Parquet file"):
        read_trips(path, "yellow", MONTH)


def test_a_missing_file_and_a_directory_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no such file"):
        read_trips(tmp_path / "missing.parquet", "yellow", MONTH)
    with pytest.raises(DataError, match=r"is a directory: .*--data-dir"):
        read_trips(tmp_path, "yellow", MONTH)


def test_a_synthetic_table_rejects_nothing() -> None:
    table = synthetic_table("green", MONTH)
    assert table.rows == len(table) == len(table.zone) > 50_000
    assert table.rejected == dict.fromkeys(REASONS, 0)


@pytest.mark.parametrize(
    ("dataset", "read", "outside"), [("yellow", 3_833_771, 40), ("green", 56_147, 7)]
)
def test_the_october_files_are_read_whole(
    data_dir: Path, dataset: str, read: int, outside: int
) -> None:
    path = official_file(data_dir, dataset)
    table = read_trips(path, dataset, MONTH)
    assert (table.rows, len(table)) == (read, read - outside)
    assert table.rejected == dict.fromkeys(REASONS, 0) | {"outside_month": outside}
    assert (np.diff(table.pickup_ts) >= 0).all()


def test_the_known_truths_of_the_yellow_file(yellow_file: Path) -> None:
    table = read_trips(yellow_file, "yellow", MONTH)
    first, after = table.slice(START + 14 * DAY_MS, START + 15 * DAY_MS)
    assert after - first == 128_893
    by_zone = np.bincount(table.zone)
    assert int(by_zone.argmax()) == 132
    assert int(by_zone.max()) == 194_109
    hour = START + 26 * DAY_MS + HOUR_MS
    first, after = table.slice(hour, hour + HOUR_MS)
    assert np.count_nonzero(table.zone[first:after] == 79) == 794
