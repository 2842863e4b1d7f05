"""Surges on trips and on counts: the formula, and that both ways agree."""

from collections import Counter
from dataclasses import replace
from decimal import Decimal
from fractions import Fraction
from math import floor
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from producers.month.run_months import RunMonths
from producers.month.surge import apply_surges
from producers.month.trips import TripTable
from rushhour.core.hours import HOUR_MS, parse_month
from rushhour.core.run import SYNTHETIC, RunInfo
from rushhour.core.surges import DECIMALS, MAX_FACTOR, Surge
from rushhour.core.zones import ZONE_IDS
from rushhour.simulator.evaluation.demand import recount
from rushhour.simulator.evaluation.surges import surge_counts
from tests.fixtures.trips import TripRow, sha256_of, write_trips

START, END = parse_month("2024-10")
HOURS = 6
ZONES = (1, 2, 132)

trips = st.lists(
    st.tuples(st.integers(START, START + HOURS * HOUR_MS - 1), st.sampled_from(ZONES)), max_size=60
).map(sorted)
surges = st.lists(
    st.builds(
        Surge,
        st.sampled_from(ZONES),
        st.sampled_from(["0", "0.5", "0.333333", "1", "1.1", "2", "2.9", "7"]).map(Decimal),
        st.integers(-1, HOURS).map(lambda hour: START + hour * HOUR_MS),
    ),
    unique_by=lambda surge: surge.zone,
)


def table_of(rows: list[tuple[int, int]]) -> TripTable:
    times, zones = [row[0] for row in rows], [row[1] for row in rows]
    return TripTable(
        np.array(times, np.int64), np.array(zones, np.int16), len(rows) + 3, {"null_time": 3}
    )


def rows_of(table: TripTable) -> list[tuple[int, int]]:
    rows = list(zip(table.pickup_ts.tolist(), table.zone.tolist(), strict=True))
    if table.copies is None:
        return rows
    return [row for row, copies in zip(rows, table.copies, strict=True) for _ in range(copies)]


def counts_of(rows: list[tuple[int, int]]) -> pd.DataFrame:
    counted = Counter(((ts - START) // HOUR_MS, zone) for ts, zone in rows)
    return pd.DataFrame(
        [[counted[hour, zone] for zone in ZONES] for hour in range(HOURS)],
        index=pd.date_range("2024-10-01", periods=HOURS, freq="h"),
        columns=list(ZONES),
    )


def one_by_one(rows: list[tuple[int, int]], several: list[Surge]) -> list[tuple[int, int]]:
    """The definition, a trip at a time."""
    out: list[tuple[int, int]] = []
    seen: Counter[int] = Counter()
    for ts, zone in rows:
        copies = 1
        for surge in several:
            if surge.zone == zone and ts >= surge.from_ts:
                factor, k = Fraction(surge.factor), seen[zone]
                copies = floor(factor * (k + 1)) - floor(factor * k)
                seen[zone] += 1
        out += [(ts, zone)] * copies
    return out


@given(trips, surges)
def test_every_trip_comes_as_often_as_defined_and_in_its_place(
    rows: list[tuple[int, int]], several: list[Surge]
) -> None:
    found = apply_surges(table_of(rows), several)
    assert rows_of(found) == one_by_one(rows, several)
    assert len(found) == len(rows_of(found))
    assert (found.rows, found.rejected) == (len(rows) + 3, {"null_time": 3})


@given(trips, surges)
def test_counts_with_a_surge_are_those_of_the_trips_with_it(
    rows: list[tuple[int, int]], several: list[Surge]
) -> None:
    found = surge_counts(counts_of(rows), several)
    assert found.equals(counts_of(rows_of(apply_surges(table_of(rows), several))))


@given(trips)
def test_factor_1_changes_nothing_and_factor_0_leaves_nothing(rows: list[tuple[int, int]]) -> None:
    table = table_of(rows)
    assert apply_surges(table, []) is table
    assert rows_of(apply_surges(table, [Surge(132, Decimal(1), START)])) == rows
    left = rows_of(apply_surges(table, [Surge(132, Decimal(0), START + 2 * HOUR_MS)]))
    assert left == [row for row in rows if row[1] != 132 or row[0] < START + 2 * HOUR_MS]


@pytest.mark.parametrize(("factor", "trip_count"), [("0.29", 29), ("1.15", 115), ("4.35", 435)])
def test_a_decimal_factor_is_exact(factor: str, trip_count: int) -> None:
    assert floor(float(factor) * 100) == trip_count - 1  # as floats would have it
    table = table_of([(START, 132)] * 100)
    assert len(apply_surges(table, [Surge(132, Decimal(factor), START)])) == trip_count
    counts = counts_of([(START, 132)] * 100)
    assert surge_counts(counts, [Surge(132, Decimal(factor), START)]).to_numpy().sum() == trip_count


def test_products_fit_into_64_bits_for_more_trips_than_any_month_has() -> None:
    times = MAX_FACTOR * 10**DECIMALS  # the largest that `as_integer_ratio` can give
    assert times * 1_000_000_000 < np.iinfo(np.int64).max


# A run and its recount.

ROWS: list[TripRow] = [
    (None, 132),
    ("2024-09-30 23:59:59.999999", 132),  # not of the month: no surge counts it
    ("2024-11-01 00:00:00", 132),
    ("2024-10-02 12:00:00", 999),
    *((f"2024-10-0{1 + hour // 24} {hour % 24:02}:{hour}:00", 132) for hour in range(10, 48)),
    *((f"2024-10-02 {hour:02}:30:00", 79) for hour in range(24) for _ in range(5)),
]


@pytest.mark.parametrize(
    "surge",
    [
        "",
        "132:2.5@2024-10-01 07:00",
        "132:0.3@2024-10-02 03:00,79:1.1@2024-10-02 05:00",
        "132:0.3@2024-09-01",  # from before the month
        "132:0@2024-10-01",
    ],
)
@pytest.mark.parametrize("first_hour", [0, 29])
def test_a_recount_of_the_file_finds_what_is_replayed(
    tmp_path: Path, surge: str, first_hour: int
) -> None:
    file = write_trips(tmp_path / "trips.parquet", ROWS)
    first = START + first_hour * HOUR_MS
    run = RunInfo("id", "green", "2024-10", file.name, str(file), first, START + 48 * HOUR_MS)
    assert_recounted(replace(run, surge=surge, sha256=sha256_of(file)), file)


def test_a_recount_of_a_synthetic_month_finds_what_is_replayed() -> None:
    first = START + 100 * HOUR_MS
    surge = "74:3.3@2024-10-03,75:0.25@2024-10-06 05:00"
    run = RunInfo("id", "green", "2024-10", SYNTHETIC, "", first, END, surge=surge)
    assert_recounted(run)


def assert_recounted(run: RunInfo, *files: Path) -> None:
    counted = Counter(
        ((ts - run.start_ts) // HOUR_MS, zone)
        for ts, zone in rows_of(RunMonths(run).read(0))
        if run.start_ts <= ts < run.end_ts
    )
    expected = [[counted[hour, zone] for zone in ZONE_IDS] for hour in range(run.hours)]
    assert recount(run, files).rides.to_numpy().tolist() == expected
