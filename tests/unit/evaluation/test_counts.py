"""Files of hourly counts, as a feature store has them: what is read, and what is refused."""

from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from rushhour.core.errors import DataError
from rushhour.core.zones import ZONE_IDS
from rushhour.simulator.evaluation.counts import (
    count_month,
    holds_hourly_counts,
    read_hourly_counts,
)

Row = tuple[Any, Any, Any]  # hour, zone, rides
ROWS: list[Row] = [
    ("2024-10-01 02:00", 132, 7),
    ("2024-10-01 00:00", 1, 3),
    ("2024-10-01 02:00", 1, 0),
]


def write(path: Path, rows: list[Row], **types: pa.DataType) -> Path:
    hours, zones, rides = map(list, zip(*rows, strict=True)) if rows else ([], [], [])
    times = [datetime.fromisoformat(hour) if isinstance(hour, str) else hour for hour in hours]
    columns = {
        "pickup_hour": pa.array(times, types.get("pickup_hour", pa.timestamp("ns"))),
        "rides": pa.array(rides, types.get("rides", pa.int64())),
        "pickup_location_id": pa.array(zones, types.get("pickup_location_id", pa.int32())),
        "weather": pa.array(["fine"] * len(rows), pa.string()),
    }
    pq.write_table(pa.table(columns), path)
    return path


def test_missing_hours_and_zones_have_no_rides(tmp_path: Path) -> None:
    table = read_hourly_counts(write(tmp_path / "a.parquet", ROWS))
    assert list(table.index) == list(pd.date_range("2024-10-01", periods=3, freq="h"))
    assert [int(zone) for zone in table.columns] == list(ZONE_IDS)
    assert table.dtypes.unique().tolist() == [np.dtype(np.int64)]
    assert table.loc["2024-10-01 02:00", 132] == 7
    assert table.loc["2024-10-01 00:00", 1] == 3
    assert int(table.to_numpy().sum()) == 10


@pytest.mark.parametrize(
    "types",
    [
        {"pickup_hour": pa.timestamp("s")},
        {"pickup_hour": pa.timestamp("ms", "UTC")},
        {"pickup_hour": pa.timestamp("us"), "rides": pa.int16()},
        {"rides": pa.float64(), "pickup_location_id": pa.float32()},
        {"rides": pa.uint8(), "pickup_location_id": pa.int64()},
    ],
    ids=str,
)
def test_other_types_give_the_same_counts(tmp_path: Path, types: dict[str, pa.DataType]) -> None:
    rows = ROWS
    if types.get("pickup_hour") == pa.timestamp("ms", "UTC"):
        rows = [(datetime.fromisoformat(hour).replace(tzinfo=UTC), *rest) for hour, *rest in ROWS]
    expected = read_hourly_counts(write(tmp_path / "a.parquet", ROWS))
    found = read_hourly_counts(write(tmp_path / "b.parquet", rows, **types))
    pd.testing.assert_frame_equal(found, expected)


@pytest.mark.parametrize(
    ("rows", "types", "expected"),
    [
        ([], {}, "has no rows"),
        ([*ROWS, ROWS[0]], {}, "zone 132 at 2024-10-01 02:00: occurs twice"),
        ([*ROWS, ("2024-10-01 03:00", 5, -2)], {}, "zone 5 at 2024-10-01 03:00: -2 rides"),
        ([("2024-10-01", 1, 2.5)], {"rides": pa.float64()}, "rides 2.5 is not a whole number"),
        ([("2024-10-01", 1, float("inf"))], {"rides": pa.float64()}, "rides inf is not a whole"),
        ([("2024-10-01", 1, float("nan"))], {"rides": pa.float64()}, "rides nan is not a whole"),
        ([("2024-10-01", 1, "7")], {"rides": pa.string()}, "column rides is string"),
        ([("2024-10-01", 266, 1)], {}, "zone 266 at 2024-10-01 00:00: zones are 1 to 265"),
        ([("2024-10-01", 0, 1)], {}, "zones are 1 to 265"),
        ([("2024-10-01", 1.5, 1)], {"pickup_location_id": pa.float64()}, "is not a whole number"),
        ([("2024-10-01 00:30", 1, 1)], {}, "pickup_hour 2024-10-01T00:30:00"),
        ([("2024-10-01 00:00:00.001", 1, 1)], {}, "is not the start of an hour"),
        ([(None, 1, 1)], {}, "column pickup_hour has 1 empty cells"),
        ([("2024-10-01", None, 1)], {}, "column pickup_location_id has 1 empty cells"),
        ([("2024-10-01", 1, None), *ROWS], {}, "column rides has 1 empty cells"),
        ([("1970-01-20 23:00", 1, 1)], {}, "1970-01-20 23:00 lies outside of 2009 to 2261"),
        ([("2024-10-01", 1, 1), ("2042-10-01", 1, 1)], {}, "more than five years"),
        ([(1_727_740_800_000, 1, 1)], {"pickup_hour": pa.int64()}, "column pickup_hour is int64"),
        (
            [(datetime(2024, 10, 1, tzinfo=timezone(timedelta(hours=-4))), 1, 1)],
            {"pickup_hour": pa.timestamp("ms", "America/New_York")},
            "not a timestamp (without a zone, or UTC)",
        ),
    ],
)
def test_an_invalid_row_is_refused_in_one_line(
    tmp_path: Path, rows: list[Row], types: dict[str, pa.DataType], expected: str
) -> None:
    file = write(tmp_path / "bad.parquet", rows, **types)
    with pytest.raises(DataError) as refused:
        read_hourly_counts(file)
    line = str(refused.value)
    assert line.startswith(f"{file}: ")
    assert expected in line
    assert "\n" not in line


@pytest.mark.parametrize("missing", ["pickup_hour", "rides", "pickup_location_id"])
def test_a_missing_column_is_named(tmp_path: Path, missing: str) -> None:
    file = write(tmp_path / "a.parquet", ROWS)
    pq.write_table(pq.read_table(file).drop_columns([missing]), file)
    with pytest.raises(DataError, match=f"has no column {missing}: hourly counts have pickup_hour"):
        read_hourly_counts(file)


def test_the_columns_decide_the_kind_of_a_file(tmp_path: Path) -> None:
    counts = write(tmp_path / "a.parquet", ROWS)
    assert holds_hourly_counts(counts)
    trips = tmp_path / "b.parquet"
    pq.write_table(pa.table({"lpep_pickup_datetime": [1], "PULocationID": [1]}), trips)
    assert not holds_hourly_counts(trips)
    assert not holds_hourly_counts(Path(__file__))
    assert not holds_hourly_counts(tmp_path / "missing.parquet")


def test_counts_and_trips_of_the_same_month_are_the_same_table(
    green_file: Path, tmp_path: Path
) -> None:
    month = count_month(green_file, "green", "2024-10").table
    long = (
        month.rename_axis("pickup_hour")
        .reset_index()
        .melt("pickup_hour", var_name="pickup_location_id", value_name="rides")
    )
    long["pickup_location_id"] = long["pickup_location_id"].astype(np.int32)
    file = tmp_path / "counts.parquet"
    long.sample(frac=1, random_state=7).to_parquet(file, index=False)
    assert (read_hourly_counts(file).to_numpy() == month.to_numpy()).all()
