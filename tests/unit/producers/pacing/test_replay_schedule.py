"""A replay that repeats another one: its commands are told where they were, and it ends there."""

from dataclasses import replace

import pytest

from rushhour.core.clock import ClockStatus
from rushhour.core.hours import HOUR_MS, MINUTE_MS
from rushhour.core.speed import MAX, Speed
from rushhour.core.timeline import Schedule, TimelineEntry
from tests.fixtures.replay import BEGIN, START, Stage


def at(hour: float) -> int:
    return START + round(hour * HOUR_MS)


def entry(number: int, hour: float, command: str, value: str = "") -> TimelineEntry:
    return TimelineEntry(number, f"{number}-7", command, value, "", at(hour))


@pytest.mark.parametrize("speed", [MAX, Speed(3_600.0)], ids=str)
def test_commands_are_told_at_their_time_and_change_nothing(speed: Speed) -> None:
    told = (
        entry(1, 0, "speed", "30m/s"),
        entry(2, 2.5, "pause"),
        replace(entry(3, 2.5, "fly"), error="unknown"),
        replace(entry(4, 3, "step", "6h"), target_ts=at(9)),
        entry(5, 12, "resume"),
    )
    stage = Stage(12, speed, ahead_hours=168)
    stage.plan = replace(stage.plan, schedule=Schedule(told))
    stage.run()
    stage.check_stream()
    assert stage.script.timeline == list(told)
    assert stage.wall.now - BEGIN == pytest.approx(0 if speed.is_max else 12, abs=1e-3)
    last = stage.script.published[-1][1]
    assert (last.state, last.commands, last.repeated, last.command) == ("finished", 5, 5, "0-0")
    assert [each.id for each in last.results] == ["1-7", "2-7", "3-7", "4-7", "5-7"]


@pytest.mark.parametrize("hour", [0, 3, 3.5])
def test_it_stops_where_the_other_did(hour: float) -> None:
    stage = Stage(12, MAX, ahead_hours=168)
    schedule = Schedule((entry(1, hour, "stop"),), stop_at=at(hour))
    stage.plan = replace(stage.plan, schedule=schedule)
    stage.run()
    last = stage.script.published[-1][1]
    assert (last.state, last.now_ts) == ("stopped", at(hour))
    assert len(stage.pipeline.sent) == round(hour * 60)
    assert [ts for _, ts, _ in stage.pipeline.ticks] == [at(each) for each in range(int(hour) + 1)]
    assert stage.script.timeline == list(schedule.entries)


@pytest.mark.parametrize("hour", [5.5, 12])
def test_it_starts_over_where_the_other_did_and_goes_on_from_there(hour: float) -> None:
    back = replace(entry(2, hour, "seek", "2024-10-01 02:00"), target_ts=at(2))
    told = (entry(1, 1, "pause"), back, entry(3, 1, "resume"))
    schedule = Schedule(told, stop_at=at(4))
    stage = Stage(12, MAX, ahead_hours=168)
    stage.plan = replace(stage.plan, schedule=schedule)
    stage.run()
    status = stage.script.published[-1][1]
    assert (status.state, status.now_ts, status.start_over_ts) == ("starting", at(hour), at(2))
    assert stage.script.timeline == list(told[:2])

    again = Stage(12, MAX, ahead_hours=168)
    again.plan = stage.plan
    begin = replace(status, now_ts=START, trips=0, start_over_ts=None)
    again.run(status=begin)
    last = again.script.published[-1][1]
    assert (last.state, last.now_ts, last.repeated) == ("stopped", at(4), 3)
    assert again.script.timeline == [told[2]]


def test_after_a_restart_it_tells_nothing_twice_and_still_stops_there() -> None:
    told = (entry(1, 2, "pause"), entry(2, 6, "resume"))
    stage = Stage(12, MAX, ahead_hours=168)
    stage.plan = replace(stage.plan, schedule=Schedule(told, stop_at=at(8)))
    status = ClockStatus(at(5), "max", "running", 300, speed_setting="max", commands=1, repeated=1)
    stage.run(at(1), status)
    assert stage.script.timeline == [told[1]]
    last = stage.script.published[-1][1]
    assert (last.state, last.now_ts, last.commands) == ("stopped", at(8), 2)


def test_commands_of_users_come_between() -> None:
    stage = Stage(6, Speed(3_600.0))
    stage.plan = replace(stage.plan, schedule=Schedule((entry(1, 3, "pause"),)))
    stage.command(1.0, "speed", "30m/s")
    stage.command(6.0, "speed", "max")
    stage.run()
    stage.check_stream()
    numbers = [(each.number, each.id, each.now_ts) for each in stage.script.timeline]
    assert [number for number, *_ in numbers] == [1, 2, 3]
    assert [each for _, each, _ in numbers] == ["1-0", "1-7", "2-0"]
    assert numbers[1][2] == at(3)
    assert abs(numbers[0][2] - at(1)) < 4 * MINUTE_MS
