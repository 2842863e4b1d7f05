"""What is told of the commands to a clock, and how another run repeats them."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rushhour.core.clock import CommandResult
from rushhour.core.hours import HOUR_MS
from rushhour.core.timeline import Schedule, TimelineEntry, stop_of

START = 1_727_740_800_000  # 2024-10-01 00:00
BACK = TimelineEntry(1, "5-0", "seek", "2024-10-01 03:00", "", START + 9 * HOUR_MS, START)
AT = BACK.now_ts
STEP = TimelineEntry(2, "6-0", "step", "6h", "", START + HOUR_MS, START + 7 * HOUR_MS)
REFUSED = TimelineEntry(3, "7-0", "", "", "unknown command 'fly'", START)


@pytest.mark.parametrize("entry", [BACK, STEP, REFUSED], ids=lambda entry: entry.id)
def test_an_entry_is_read_back_as_written(entry: TimelineEntry) -> None:
    fields = {name: str(value) for name, value in entry.to_fields().items()}
    assert TimelineEntry.from_fields(fields) == entry
    result = entry.result_at(entry.now_ts)
    assert TimelineEntry.of(entry.number, result) == entry


def test_an_entry_tells_command_and_value_apart() -> None:
    result = CommandResult("5-1", "until 2024-10-14 06:00", "", START, START + HOUR_MS)
    entry = TimelineEntry.of(4, result)
    assert (entry.command, entry.value) == ("until", "2024-10-14 06:00")


def test_only_a_seek_back_that_was_applied_leads_back() -> None:
    assert BACK.leads_back
    assert not replace(BACK, error="no").leads_back
    assert not replace(BACK, now_ts=START).leads_back
    assert not replace(BACK, command="until").leads_back
    assert not STEP.leads_back
    assert not REFUSED.leads_back


def test_commands_are_due_in_their_order() -> None:
    schedule = Schedule((replace(STEP, now_ts=START + 5), replace(REFUSED, now_ts=START + 2)))
    assert schedule.due(0, START + 4) is None
    assert schedule.due(0, START + 5) == schedule.entries[0]
    assert schedule.due(1, START + 2) == schedule.entries[1]
    assert schedule.due(2, START + 9) is None
    assert schedule.limit(0, START, START + 9) == START + 5
    assert schedule.limit(1, START + 5, START + 9) == START + 9


def test_a_run_ends_where_the_other_did_but_not_before_it_has_started_over() -> None:
    schedule = Schedule((BACK, replace(STEP, now_ts=AT + 5)), stop_at=START + 6)
    assert not schedule.stops(0, START + 6)
    assert schedule.due(0, START + 6) is None
    assert schedule.limit(0, START + 6, AT + HOUR_MS) == AT
    assert not schedule.stops(1, START + 5)
    assert schedule.stops(1, START + 6)
    # What was told after that time, as before a kill of the producer, is told at the end.
    assert schedule.due(1, START + 6) == schedule.entries[1]
    assert Schedule().due(0, AT) is None
    assert not Schedule().stops(0, AT)


@given(
    times=st.lists(st.integers(0, 9), max_size=6),
    stop_at=st.none() | st.integers(0, 9),
    told=st.integers(0, 6),
    position=st.integers(0, 9),
)
def test_a_slice_goes_on_and_passes_nothing(
    times: list[int], stop_at: int | None, told: int, position: int
) -> None:
    schedule = Schedule(tuple(replace(STEP, now_ts=time) for time in times), stop_at)
    limit = schedule.limit(told, position, 10)
    assert position < limit <= 10
    passed = range(position + 1, limit)
    assert not any(schedule.due(told, ts) for ts in passed if not schedule.due(told, position))
    assert not any(schedule.stops(told, ts) for ts in passed if not schedule.stops(told, position))


def test_a_run_stops_within_the_open_hour_or_at_its_start() -> None:
    assert stop_of(START, START + 7) == START + 7
    assert stop_of(START, START) == START
    assert stop_of(START, START + HOUR_MS) == START
    assert stop_of(START + HOUR_MS, START + 7) == START + HOUR_MS
