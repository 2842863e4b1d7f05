"""Forecasts further ahead through the whole pipeline: exact, whatever is killed."""

import os
import signal
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from rushhour import views
from rushhour.core import keys
from rushhour.core.errors import UsageError
from rushhour.core.hours import HOUR_MS, hour_label, parse_label
from rushhour.core.zones import ZONE_COUNT, ZONE_IDS
from rushhour.runtime.redis_client import read_hash
from rushhour.simulator.evaluation.live import read_run
from rushhour.simulator.evaluation.scoring import evaluate
from rushhour.simulator.evaluation.verify import verify
from rushhour.simulator.run_view import RunView
from rushhour.simulator.stack import stack as stack_module
from rushhour.simulator.stack.stack import Stack
from rushhour.simulator.web.reading.history import read_zone
from rushhour.storage.runs import load_run
from tests.fixtures.pipeline import TWO_DAYS, PipelineRunner, RunResult, hours_closed
from tests.fixtures.waiting import wait_until
from tests.integration.pipeline.test_pipeline_faults import (
    assert_same,
    restart,
    start_process,
    stored,
)

HORIZONS = "1,2,6,30"
AHEAD = (2, 6, 30)
START = parse_label("2024-10-01T00")
NEXT = "2024-10-03T02"  # after the run, forecast before its end
LATER = "2024-10-03T06"  # never forecast


@dataclass
class Found:
    """What `verify` finds wrong: with the run, and with changed values."""

    failed: list[str]
    of_a_table: list[str]
    of_a_score: list[str]
    of_another_hour: list[str]


@pytest.fixture(scope="module")
def verified() -> Found:
    return Found([], [], [], [])


@pytest.fixture(scope="module")
def undisturbed(pipeline: PipelineRunner, trip_file: Path, verified: Found) -> RunResult:
    def check(stack: Stack) -> None:
        client = stack.client

        def failed() -> list[str]:
            checks = verify(client, load_run(client), [trip_file])
            return [check.name for check in checks if not check.passed]

        def failed_with(key: str, field: str, value: str) -> list[str]:
            before = client.hget(key, field)
            client.hset(key, field, value)
            names = failed()
            if before is None:
                client.delete(key)
            else:
                client.hset(key, field, str(before))
            return names

        wait_until(stack.is_done, "the pipeline is done", 120.0)
        verified.failed = failed()
        verified.of_a_table = failed_with(keys.ahead(6, NEXT), "132", "1.0,1.0,0.0,2.0")
        verified.of_a_score = failed_with(keys.horizon(30), "mae_24h", "0.1")
        verified.of_another_hour = failed_with(keys.ahead(2, LATER), "132", "1.0,1.0,0.0,2.0")

    return pipeline(trip_file, TWO_DAYS, check, horizons=HORIZONS)


def test_a_run_has_a_table_of_each_horizon_and_hour(undisturbed: RunResult) -> None:
    for horizon in AHEAD:
        found = {key for key in undisturbed.keys if key.startswith(f"ahead:{horizon}:")}
        hours = range(horizon - 1, 48 + horizon)
        assert found == {keys.ahead(horizon, hour_label(START + i * HOUR_MS)) for i in hours}
        for key in found:
            table = undisturbed.hash(key)
            assert table.keys() == set(map(str, ZONE_IDS))
            for row in table.values():
                mean, median, lower, upper = map(float, row.split(","))
                assert mean > 0
                assert 0 <= lower <= median <= upper


def test_an_offline_replay_finds_the_same(undisturbed: RunResult, verified: Found) -> None:
    assert undisturbed.hash("quality")["hours_closed"] == "48"
    assert verified.failed == []


def test_whatever_is_changed_is_found(undisturbed: RunResult, verified: Found) -> None:
    assert verified.of_a_table == ["forecasts 6 h ahead equal an offline replay"]
    assert verified.of_a_score == ["horizons show their scores"]
    assert verified.of_another_hour == ["there are no keys of other runs"]


def test_everything_else_is_that_of_a_run_without_horizons(
    pipeline: PipelineRunner, trip_file: Path, undisturbed: RunResult
) -> None:
    plain = pipeline(trip_file, TWO_DAYS)
    others = {
        key: value
        for key, value in undisturbed.keys.items()
        if not key.startswith(("ahead:", "horizon:"))
    }
    assert others == plain.keys


def test_any_number_of_processes_may_share_the_run(
    pipeline: PipelineRunner, trip_file: Path, undisturbed: RunResult
) -> None:
    found = pipeline(trip_file, TWO_DAYS, horizons=HORIZONS, dataflows=2, consumers=2)
    assert_same(found, undisturbed)


def test_users_read_what_was_forecast_ahead(pipeline: PipelineRunner, trip_file: Path) -> None:
    def read(stack: Stack) -> None:
        wait_until(stack.is_done, "the pipeline is done", 120.0)
        client = stack.client
        table = views.comparison(client, "2024-10-02 12:00", "2024-10-02 12:00", horizon=6)
        assert len(table) == ZONE_COUNT
        row = table.iloc[131]
        texts = str(client.hget(keys.ahead(6, "2024-10-02T12"), "132")).split(",")
        columns = ["predicted_demand", "predicted_median", "lower", "upper"]
        assert row[columns].tolist() == list(map(float, texts))
        with pytest.raises(UsageError, match="does not forecast 3 hours ahead: it has horizons 1,"):
            views.comparison(client, horizon=3)
        with pytest.raises(UsageError, match="'last_hour' predicts the next hour only"):
            views.comparison(client, model="last_hour", horizon=6)
        view = RunView.read(client)
        assert view.score_ahead(6, "mae_24h") == float(read_hash(client, "horizon:6")["mae_24h"])
        assert view.at(6).score(view.served, "mae_24h") == view.score_ahead(6, "mae_24h")
        run = load_run(client)
        past = read_zone(client, run, 132, 24, parse_label("2024-10-02T05"))
        assert past["ahead"]["pickup_ts"] == [
            parse_label("2024-10-02T06") + (horizon - 1) * HOUR_MS for horizon in (1, *AHEAD)
        ]
        assert past["ahead"]["predicted"][2] == float(
            str(client.hget(keys.ahead(6, "2024-10-02T11"), "132")).split(",")[0]
        )
        shown = evaluate(read_run(client, run)).by_horizon
        assert list(shown) == [1, *AHEAD]
        assert shown[6].mae > shown[1].mae > 0

    pipeline(trip_file, TWO_DAYS, read, horizons=HORIZONS)


@pytest.fixture
def recovery(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The recovery directory of a dataflow that makes a snapshot several times a second."""
    monkeypatch.setattr(stack_module, "start_process", start_process)
    yield tmp_path


def kill(stack: Stack, name: str, closed: int) -> None:
    wait_until(lambda: stack.is_done() or hours_closed(stack) >= closed, f"{closed} hours closed")
    process = stack.processes[name]
    os.kill(process.pid, signal.SIGKILL)
    wait_until(lambda: process.poll() is not None, f"the {name} has ended")
    restart(stack, name)


def test_kills_of_dataflow_and_consumer_leave_the_same_redis(
    pipeline: PipelineRunner, trip_file: Path, undisturbed: RunResult, recovery: Path
) -> None:
    def disturb(stack: Stack) -> None:
        wait_until(lambda: any(stored(recovery, 1).values()), "a snapshot exists")
        kill(stack, "dataflow", 8)
        kill(stack, "consumer", 16)
        kill(stack, "dataflow", 24)
        kill(stack, "consumer", 33)  # with forecasts of all horizons under way

    found = pipeline(
        trip_file, TWO_DAYS, disturb, horizons=HORIZONS, speed="12h/s", recovery_dir=recovery
    )
    assert_same(found, undisturbed)
