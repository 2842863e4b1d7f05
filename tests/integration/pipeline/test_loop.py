"""A loop, its bounded history, and shifted dates, with every process of the pipeline."""

import os
import re
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from rushhour.core import keys
from rushhour.core.clock import Command
from rushhour.core.hours import HOUR_MS, WEEK_MS, clock_label, hour_label, parse_label
from rushhour.simulator.evaluation.verify import verify
from rushhour.simulator.stack import stack as stack_module
from rushhour.simulator.stack.stack import Stack
from rushhour.storage.clock import last_hour_closed, load_status
from rushhour.storage.commands import send
from rushhour.storage.runs import load_run
from tests.fixtures.pipeline import TWO_DAYS, PipelineRunner, RunResult, hours_closed
from tests.fixtures.waiting import wait_until
from tests.integration.consumers.test_kept_hours import tail
from tests.integration.pipeline.test_pipeline_faults import restart, start_process

SPAN = ("2024-10-01 06:00", "2024-10-09 05:00")  # 192 h: a week plays again from 2024-10-09 06:00
START = parse_label("2024-10-01T06")
KEPT = 14 * 24
HOURS = 192 + 168 + 40  # in the third pass
END = START + HOURS * HOUR_MS
_MINUTES = 240.0
_LABEL = re.compile(r"\d{4}-\d\d-\d\dT\d\d")
_ENTRY_ID = re.compile(r"^(\d{13})-")


def play(pipeline: PipelineRunner, stack: Stack) -> RunResult:
    """Play to the hour in the third pass, where the clock pauses."""
    wait_until(lambda: last_hour_closed(stack.client) == END - HOUR_MS, "it is there", _MINUTES)
    return pipeline.result(stack)


def kill_and_restart(stack: Stack, name: str, closed: int) -> None:
    """Kill a process once so many hours are closed, and start it again."""
    wait_until(lambda: hours_closed(stack) >= closed, f"{closed} hours are closed", _MINUTES)
    process = stack.processes[name]
    os.kill(process.pid, signal.SIGKILL)
    wait_until(lambda: process.poll() is not None, f"the {name} has ended")
    restart(stack, name)


@pytest.fixture
def recovery(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The recovery directory of a dataflow that makes a snapshot several times a second."""
    monkeypatch.setattr(stack_module, "start_process", start_process)
    yield tmp_path


@pytest.fixture(scope="module")
def undisturbed(pipeline: PipelineRunner, trip_file: Path) -> RunResult:
    """A loop of which Redis keeps everything."""
    with pipeline.started(trip_file, SPAN, loop=True, keep="all", paused=True) as (stack, _):
        wait_until(lambda: load_status(stack.client), "the clock runs")
        send(stack.client, Command("until", clock_label(END)))
        return play(pipeline, stack)


def test_a_loop_plays_the_same_week_again_on_later_dates(undisturbed: RunResult) -> None:
    rides = {
        parse_label(key.removeprefix("rides:")): table
        for key, table in undisturbed.keys.items()
        if key.startswith("rides:")
    }
    assert sorted(rides) == list(range(START, END, HOUR_MS))
    again = [hour for hour in rides if hour >= START + 192 * HOUR_MS]
    assert all(rides[hour] == rides[hour - WEEK_MS] for hour in again)
    assert undisturbed.clock["original"] == "2024-10-03 22:00"
    assert undisturbed.clock["now"] == clock_label(END) == "2024-10-17 22:00"
    assert undisturbed.run["until"] == "2024-10-09T05"


def test_kills_in_later_passes_leave_the_tail_of_an_undisturbed_loop(
    pipeline: PipelineRunner, trip_file: Path, undisturbed: RunResult, recovery: Path
) -> None:
    kills = [
        (200, "consumer"),
        (230, "dataflow"),
        (260, "producer"),
        (365, "dataflow"),
        (372, "consumer"),
        (380, "producer"),
    ]
    options: dict[str, Any] = {"loop": True, "keep": "14d", "paused": True}
    with pipeline.started(trip_file, SPAN, recovery_dir=recovery, **options) as (stack, run):
        wait_until(lambda: load_status(stack.client), "the clock runs")
        send(stack.client, Command("until", clock_label(END)))
        for hours, name in kills:
            kill_and_restart(stack, name, hours)
        found = play(pipeline, stack)
        checks = list(verify(stack.client, run, [trip_file], stack.kafka))

    expected = tail(undisturbed.keys, END - KEPT * HOUR_MS)
    assert found.keys.keys() == expected.keys()
    for key, value in expected.items():
        assert found.keys[key] == value, key
    assert [check for check in checks if not check.passed] == []
    assert checks[0].detail.startswith("400 hours are closed, in pass 3 of the loop")


def test_a_table_that_is_wrong_or_kept_too_long_is_found(
    pipeline: PipelineRunner, trip_file: Path
) -> None:
    with pipeline.started(trip_file, SPAN, loop=True, keep="14d", paused=True) as (stack, run):
        wait_until(lambda: load_status(stack.client), "the clock runs")
        send(stack.client, Command("until", clock_label(END)))
        play(pipeline, stack)
        client = stack.client
        client.hincrby(keys.rides(hour_label(END - 3 * HOUR_MS)), "132", 1)
        client.hset(keys.rides(hour_label(START)), "132", 1)
        failed = [check.name for check in verify(client, run, [trip_file]) if not check.passed]
    assert failed == ["rides equal a recount of the file", "there are no keys of other runs"]


def test_shifted_dates_change_nothing_else(pipeline: PipelineRunner, trip_file: Path) -> None:
    plain = pipeline(trip_file, TWO_DAYS)
    with pipeline.started(trip_file, TWO_DAYS, rebase="2026-11-30") as (stack, run):
        wait_until(stack.is_done, "the pipeline is done", _MINUTES)
        shifted = pipeline.result(stack)
        checks = list(verify(stack.client, load_run(stack.client), [trip_file], stack.kafka))

    assert run.shift_weeks == 113
    assert shifted.run["from"] == "2026-12-01T00"
    assert (shifted.clock["now"], shifted.clock["original"]) == (
        "2026-12-03 00:00",
        "2024-10-03 00:00",
    )
    expected = _without_intervals(plain.keys)
    assert _without_intervals(shifted.keys) == _later(expected, run.shift_ms)
    assert [check for check in checks if not check.passed] == []


def _without_intervals(found: dict[str, object]) -> dict[str, object]:
    """Return keys without the ends of intervals: a number that is drawn by date decides those."""
    kept: dict[str, object] = {}
    for key, value in found.items():
        if key.partition(":")[0] in {"lower", "upper", "coverage"}:
            continue
        if isinstance(value, dict):
            kept[key] = _without_ends(value)
        elif key == keys.CITY_HOURLY and isinstance(value, list):
            kept[key] = [(entry_id, _without_ends(fields)) for entry_id, fields in value]
        else:
            kept[key] = value
    return kept


def _without_ends(fields: dict[str, str]) -> dict[str, str]:
    return {
        name: value
        for name, value in fields.items()
        if not name.startswith(("coverage", "wis"))
        and name.removeprefix("next_") not in {"lower", "upper"}
    }


def _later(value: Any, shift_ms: int) -> Any:
    """Return keys, fields and entries with all hours shifted."""
    if isinstance(value, dict):
        return {_later(key, shift_ms): _later(each, shift_ms) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(_later(each, shift_ms) for each in value)
    if not isinstance(value, str):
        return value
    text = _ENTRY_ID.sub(lambda match: f"{int(match[1]) + shift_ms}-", value)
    return _LABEL.sub(lambda match: hour_label(parse_label(match[0]) + shift_ms), text)
