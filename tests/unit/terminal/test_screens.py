"""A producer that is not heard of is shown, whatever state it wrote last."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from rushhour.core.clock import ClockStatus, State
from rushhour.core.run import LOOP_END_TS
from rushhour.simulator.documents import objects
from rushhour.simulator.documents.run import status_document
from rushhour.simulator.run_view import RunView
from rushhour.simulator.terminal.live import day_line
from rushhour.simulator.terminal.live_screen import live_screen
from rushhour.simulator.terminal.screens import status_screen
from tests.fixtures.run_views import RUN, START, run_view, words

READ = int(datetime(2026, 11, 29, tzinfo=UTC).timestamp() * 1000)
LOCATION = objects.Location(kind="given", redis_url="redis://h:1", state_dir=None)


def view(state: State, silent_s: float) -> RunView:
    heartbeat = READ - int(silent_s * 1000)
    clock = ClockStatus(START, "6h/s", state, 7, heartbeat_ts=heartbeat)
    return replace(run_view(), clock=clock, read_ts=READ)


@pytest.mark.parametrize("state", ["starting", "running", "throttled", "paused"])
def test_a_producer_that_is_not_heard_of_does_not_answer(state: State) -> None:
    silent = view(state, 35.4)
    assert "producer does not answer, last heard of 35 s ago" in words(status_screen(silent, "x"))
    assert "no answer" in words(live_screen(silent, (0.0, "-"), {}, (100, 40)), 100)
    document = status_document(silent, LOCATION)
    assert (document.state, document.producer_silent_s) == (state, 35.4)


@pytest.mark.parametrize(
    ("state", "silent_s"), [("running", 9.9), ("finished", 1e6), ("stopped", 1e6)]
)
def test_a_producer_that_reports_or_has_ended_is_not_missed(state: State, silent_s: float) -> None:
    heard = view(state, silent_s)
    assert "does not answer" not in words(status_screen(heard, "x"))
    assert "no answer" not in words(live_screen(heard, (0.0, "-"), {}, (100, 40)), 100)
    assert status_document(heard, LOCATION).producer_silent_s is None


def test_a_loop_shows_its_pass_and_the_time_in_the_trip_file() -> None:
    week = 7 * 24 * 3_600_000
    month_end = RUN.end_ts
    loop = replace(RUN, end_ts=LOOP_END_TS, loop_ts=month_end, keep_hours=840)
    now = month_end + 5 * week
    clock = ClockStatus(now, "max", "running", 7, original_ts=loop.original_ts(now))
    quality = {"hours_closed": str((now - START) // 3_600_000)}
    seen = replace(run_view(loop), clock=clock, quality=quality)
    assert "hours closed 1584, pass 3 of a loop" in words(status_screen(seen, "x"))
    assert "trips of 2024-10-11 00:00" in words(status_screen(seen, "x"))
    live = words(live_screen(seen, (0.0, "-"), {}, (120, 40)), 120)
    assert "hours closed 1584 (pass 3)" in live
    assert "trips of 2024-10-11 00:00" in live
    assert "1584 hours closed (pass 3)" in day_line(seen)
    document = status_document(seen, LOCATION)
    assert (document.run.hours, document.run.end_ts, document.run.loop_weeks) == (None, None, 4)
    assert document.original_ts == clock.original_ts


def test_a_run_that_is_not_shifted_shows_one_time() -> None:
    clock = ClockStatus(START, "max", "running", 7, original_ts=START)
    seen = replace(run_view(), clock=clock)
    assert "trips of" not in words(status_screen(seen, "x"))
    assert "hours closed 103 of 744" in words(status_screen(seen, "x"))
    assert "hours closed 103/744" in words(live_screen(seen, (0.0, "-"), {}, (100, 40)), 100)
    assert "103/744 hours closed " in day_line(seen)
