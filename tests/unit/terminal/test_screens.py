"""A producer that is not heard of is shown, whatever state it wrote last."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from rushhour.core.clock import ClockStatus, State
from rushhour.simulator.documents import objects
from rushhour.simulator.documents.run import status_document
from rushhour.simulator.run_view import RunView
from rushhour.simulator.terminal.live_screen import live_screen
from rushhour.simulator.terminal.screens import status_screen
from tests.fixtures.run_views import START, run_view, words

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
