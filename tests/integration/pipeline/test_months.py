"""Several months as one stream, with every process of the pipeline."""

import json
import random
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from producers.month.datasets import file_name
from rushhour.core import keys
from rushhour.core.clock import Command
from rushhour.core.hours import HOUR_MS, clock_label
from rushhour.simulator.evaluation.verify import verify
from rushhour.simulator.stack.stack import Stack
from rushhour.storage.clock import last_hour_closed, load_status
from rushhour.storage.commands import send
from rushhour.storage.runs import load_run
from tests.fixtures.pipeline import BUSY, PipelineRunner, RunResult, trip_files
from tests.fixtures.trips import TripRow, write_trips
from tests.fixtures.waiting import wait_until
from tests.integration.pipeline.test_pipeline_faults import assert_same, restart

MONTHS = "2023-12..2024-01"
SEAM = datetime(2024, 1, 1)  # noqa: DTZ001 - TLC times have no zone
SPAN = ("2023-12-31", "2024-01-01")  # 24 hours of each month
_MINUTES = 240.0


@pytest.fixture(scope="module")
def two_months(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The directory of the files of two months, each with rows that belong to the other."""
    draw = random.Random(20240101)
    rows: list[TripRow] = [
        (str(SEAM + timedelta(seconds=draw.randrange(-4 * 86_400, 5 * 86_400))), draw.choice(BUSY))
        for _ in range(4_000)
    ]
    edge: list[TripRow] = [
        (f"2023-12-31 23:59:59.{second:06}", 132) for second in (0, 999_000, 999_999)
    ]
    rows += [*edge, ("2024-01-01 00:00:00", 132), ("2024-01-01 00:00:00", 4)]
    directory = tmp_path_factory.mktemp("months")
    for month, stray in (("2023-12", "2024-01-01 00:00:00"), ("2024-01", "2023-12-31 23:59:59")):
        own = [row for row in rows if str(row[0]).startswith(month)]
        write_trips(directory / file_name("green", month), [*own, (stray, 132), (None, 1)])
    return directory


@pytest.fixture(scope="module")
def undisturbed(pipeline: PipelineRunner, two_months: Path) -> RunResult:
    with pipeline.started(two_months, SPAN, month=MONTHS) as (stack, run):
        wait_until(stack.is_done, "the pipeline is done", _MINUTES)
        assert_verified(stack)
        result = pipeline.result(stack)
    assert len(run.files) == 2
    return result


def assert_verified(stack: Stack) -> None:
    """Check everything that a run writes; its run is that which Redis holds."""
    run = load_run(stack.client)
    files = trip_files(stack.settings)
    checks = list(verify(stack.client, run, files, stack.kafka))
    assert [check for check in checks if not check.passed] == []
    of_files = [
        check.detail for check in checks if check.name == "the trip file is that of the run"
    ]
    assert [detail.partition(":")[0] for detail in of_files] == [file.name for file in files]


def test_the_hours_of_both_months_are_closed_in_one_run(undisturbed: RunResult) -> None:
    assert undisturbed.run["month"] == MONTHS
    assert (undisturbed.run["source"], undisturbed.run["file"]) == ("2 files", "")
    files = json.loads(undisturbed.run["files"])
    assert [Path(path).name for path, *_ in files] == [
        "green_tripdata_2023-12.parquet",
        "green_tripdata_2024-01.parquet",
    ]
    quality = undisturbed.hash("quality")
    assert quality["rows_read"] == str(4_005 + 4) == str(sum(rows for _, rows, *_ in files))
    assert (quality["rejected:outside_month"], quality["rejected:null_time"]) == ("2", "2")
    assert quality["trips_usable"] == "4005"
    assert quality["hours_closed"] == "48"
    last, first = (undisturbed.hash(f"rides:{hour}") for hour in ("2023-12-31T23", "2024-01-01T00"))
    assert int(last["132"]) >= 3
    assert int(first["132"]) >= 1


@pytest.mark.also_on_kafka
@pytest.mark.parametrize(
    "failpoint",
    [
        "producer.tick=98",  # of 4 for each hour: the second of the tick at the seam
        "producer.trips=25",  # before the first trips of the second month
        "producer.tick=101",  # after them
    ],
)
def test_a_producer_killed_at_the_seam_goes_on_with_the_same_numbers(
    pipeline: PipelineRunner,
    two_months: Path,
    undisturbed: RunResult,
    monkeypatch: pytest.MonkeyPatch,
    failpoint: str,
) -> None:
    monkeypatch.setenv("RUSHHOUR_FAILPOINTS", f"{failpoint}:kill")
    with pipeline.started(two_months, SPAN, month=MONTHS) as (stack, _):
        process = stack.processes["producer"]
        wait_until(lambda: process.poll() is not None, "the producer was killed", _MINUTES)
        monkeypatch.delenv("RUSHHOUR_FAILPOINTS")
        restart(stack, "producer")
        wait_until(stack.is_done, "the pipeline is done", _MINUTES)
        assert_verified(stack)
        assert_same(pipeline.result(stack), undisturbed)


def test_a_shifted_loop_with_a_surge_goes_over_the_seam_again_and_again(
    pipeline: PipelineRunner, two_months: Path
) -> None:
    options: dict[str, Any] = {
        "loop": True,
        "keep": "14d",
        "rebase": "2026-11-30",
        "surge": "132:1.7@2023-12-31 12:00",
        "paused": True,
    }
    span = ("2023-12-29", "2024-01-05")  # 8 days: the last 7 play again
    with pipeline.started(two_months, span, month=MONTHS, **options) as (stack, run):
        end_ts = run.start_ts + (8 + 7 + 4) * 24 * HOUR_MS
        assert run.shift_weeks == 153
        wait_until(lambda: load_status(stack.client), "the clock runs")
        send(stack.client, Command("until", clock_label(end_ts)))
        wait_until(lambda: last_hour_closed(stack.client) == end_ts - HOUR_MS, "it ends", _MINUTES)
        assert_verified(stack)
        # 1 January 2024 plays on 7 December 2026, and a week and two weeks later.
        second, third = (stack.client.hgetall(keys.rides(f"2026-12-{day}T00")) for day in (14, 21))
        assert second == third
        assert sum(int(rides) for rides in second.values()) > 0
