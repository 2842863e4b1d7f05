from dataclasses import fields, replace
from typing import Any

import pytest

from rushhour.core.run import SYNTHETIC, RunInfo

START = 1_727_910_000_000  # 2024-10-02 23:00
HOUR = 3_600_000
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
}
SAME_RESULT = {"run_id", "source", "file", "dataflows", "consumers"}


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


def test_a_run_has_one_process_of_each_kind_by_default() -> None:
    assert (RUN.dataflows, RUN.consumers, RUN.hours) == (1, 1, 30)
