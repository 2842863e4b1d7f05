from dataclasses import fields, replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rushhour.core.hours import hour_label, hour_of_week, parse_month
from rushhour.core.run import LOOP_END_TS, SYNTHETIC, RunInfo, TripFile

START = 1_727_910_000_000  # 2024-10-02 23:00
HOUR = 3_600_000
MONTH = parse_month("2024-10")
RUN = RunInfo("id", "green", "2024-10", "a.parquet", "/a.parquet", START, START + 30 * HOUR)
CHANGES: dict[str, Any] = {
    "run_id": "other",
    "models": ("served", "other"),
    "dataset": "yellow",
    "month": "2024-09",
    "source": "b.parquet",
    "file": "/b.parquet",
    "start_ts": START + HOUR,
    "end_ts": START + 31 * HOUR,
    "dataflows": 3,
    "consumers": 2,
    "surge": "132:2@2024-10-20 00:00",
    "rows": 7,
    "size": 8,
    "sha256": "9" * 64,
    "version": "0.0.1",
    "loop_ts": START + 31 * HOUR,
    "keep_hours": 336,
    "rebase": "now",
    "shift_weeks": 1,
    "files": (TripFile("/c.parquet", 3, 4, "5" * 64), TripFile("/d.parquet", 4, 4, "6" * 64)),
    "warm_start": "/b.npz",
    "warm_sha256": "8" * 64,
    "warm_hours": 720,
    "warm_origin": "yellow 2024-09",
    "horizons": (1, 6, 24),
}
SAME_RESULT = {"run_id", "source", "file", "dataflows", "consumers", "rebase", "files"}
SAME_RESULT |= {"warm_start"}


def test_the_numbers_of_processes_do_not_make_another_run() -> None:
    other = replace(RUN, run_id="other", dataflows=3, consumers=2)
    assert other != RUN
    assert RUN.replays_the_same_as(other)
    assert other.replays_the_same_as(RUN)


def test_a_file_that_was_moved_or_renamed_makes_no_other_run_but_another_content_does() -> None:
    assert replace(RUN, source="b.parquet", file="/b/b.parquet").replays_the_same_as(RUN)
    assert not replace(RUN, sha256="0" * 64).replays_the_same_as(RUN)


def test_synthetic_data_make_another_run() -> None:
    assert not replace(RUN, source=SYNTHETIC, file="").replays_the_same_as(RUN)


@pytest.mark.parametrize("name", CHANGES)
def test_any_other_change_makes_another_run(name: str) -> None:
    other = replace(RUN, **{name: CHANGES[name]})
    assert RUN.replays_the_same_as(other) == (name in SAME_RESULT)
    assert other.replays_the_same_as(RUN) == (name in SAME_RESULT)


def test_every_field_of_a_run_is_tested_above() -> None:
    assert set(CHANGES) == {field.name for field in fields(RunInfo)}


WEEK = 7 * 24 * HOUR
LOOP = replace(RUN, start_ts=MONTH[0], end_ts=LOOP_END_TS, loop_ts=MONTH[1], keep_hours=840)
REBASED = replace(LOOP, rebase="now", shift_weeks=113)
REBASED = replace(REBASED, start_ts=MONTH[0] + 113 * WEEK, loop_ts=MONTH[1] + 113 * WEEK)


# The files of two months.

FILES = (TripFile("/a, b\n.parquet", 3, 40, "5" * 64), TripFile("/c.parquet", 4, 5, "6" * 64))
EMPTY = replace(RUN, month="2024-09..2024-10", source=SYNTHETIC, file="")
TWO_MONTHS = EMPTY.of_files(FILES)


def test_the_files_of_several_months_are_those_of_a_run() -> None:
    assert (TWO_MONTHS.source, TWO_MONTHS.file) == ("2 files", "")
    assert (TWO_MONTHS.rows, TWO_MONTHS.size) == (7, 45)
    assert TWO_MONTHS.trip_files == FILES
    assert TWO_MONTHS.months == ("2024-09", "2024-10")
    moved = EMPTY.of_files([replace(file, path=f"/moved{file.path}") for file in FILES])
    assert TWO_MONTHS.replays_the_same_as(moved)


def test_another_content_or_order_of_files_makes_another_run() -> None:
    first, last = FILES
    assert TWO_MONTHS.differences(EMPTY.of_files([last, first])) == ("sha256",)
    changed = replace(last, sha256="7" * 64)
    assert TWO_MONTHS.differences(EMPTY.of_files([first, changed])) == ("sha256",)
    assert not TWO_MONTHS.replays_the_same_as(EMPTY)


def test_a_run_of_one_month_has_the_fields_that_it_always_had() -> None:
    file = TripFile("/a.parquet", 3, 40, "5" * 64)
    one = replace(RUN, source=SYNTHETIC, file="").of_files([file])
    assert one == replace(RUN, rows=3, size=40, sha256="5" * 64)
    assert one.trip_files == (file,)
    assert "files" not in one.to_fields()
    assert EMPTY.of_files([]) == EMPTY
    assert EMPTY.trip_files == ()


@pytest.mark.parametrize("text", ["", "[", "[1]", '[["/a", 1]]', '[["/a", [], 1, ""]]'])
def test_files_that_cannot_be_read_are_an_error(text: str) -> None:
    fields = {name: str(value) for name, value in TWO_MONTHS.to_fields().items()}
    with pytest.raises(ValueError, match=r"."):
        RunInfo.from_fields(fields | {"files": text})


@pytest.mark.parametrize("run", [RUN, LOOP, REBASED, replace(RUN, keep_hours=336), TWO_MONTHS])
def test_a_run_is_read_as_it_was_written(run: RunInfo) -> None:
    fields = {name: str(value) for name, value in run.to_fields().items()}
    assert RunInfo.from_fields(fields) == run


def test_a_loop_plays_the_last_four_weeks_again() -> None:
    assert LOOP.loop_weeks == 4
    assert hour_label(LOOP.original_ts(MONTH[1] - HOUR)) == "2024-10-31T23"
    assert hour_label(LOOP.original_ts(MONTH[1])) == "2024-10-04T00"
    assert hour_label(LOOP.original_ts(MONTH[1] + 4 * WEEK)) == "2024-10-04T00"
    passes = [LOOP.pass_of(MONTH[1] + weeks * WEEK) for weeks in (-1, 0, 3, 4, 8)]
    assert passes == [1, 2, 2, 3, 4]
    assert (RUN.loop_weeks, RUN.pass_of(RUN.end_ts)) == (0, 1)


@pytest.mark.parametrize("run", [RUN, LOOP, REBASED])
@given(st.integers(0, 100_000))
def test_hours_of_the_week_are_those_of_the_trip_file(run: RunInfo, index: int) -> None:
    ts = run.start_ts + index * HOUR
    original = run.original_ts(ts)
    assert hour_of_week(original) == hour_of_week(ts)
    if run.loop_ts is not None:
        assert MONTH[0] <= original < MONTH[1]


def test_the_hours_that_are_kept_follow_the_open_one() -> None:
    assert LOOP.first_kept(LOOP.start_ts + 840 * HOUR) == LOOP.start_ts
    assert LOOP.first_kept(LOOP.start_ts + 841 * HOUR) == LOOP.start_ts + HOUR
    assert RUN.first_kept(RUN.end_ts) == RUN.start_ts


def test_a_run_has_one_process_of_each_kind_by_default() -> None:
    assert (RUN.dataflows, RUN.consumers, RUN.hours) == (1, 1, 30)
