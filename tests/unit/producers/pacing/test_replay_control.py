"""Commands to the replay, its status, its restart, and its log."""

import random
from dataclasses import replace

import numpy as np
import pytest

from producers.pacing.replay import Replay
from rushhour.core.clock import ClockStatus
from rushhour.core.errors import UsageError
from rushhour.core.hours import HOUR_MS, MINUTE_MS, clock_label
from rushhour.core.speed import MAX, Speed
from tests.fixtures.replay import BEGIN, START, Recovering, Stage, Stuck

SIX_HOURS = Speed(21_600.0)
ONE_HOUR = Speed(3_600.0)
SLICE_S = 0.05  # maximal lateness of a trip


def test_pause_stops_the_stream_and_resume_continues_it() -> None:
    stage = Stage(24, SIX_HOURS)
    stage.command(1.0, "pause")
    stage.command(6.5, "resume")
    stage.run()
    stage.check_stream()
    assert [at for at, _ in stage.pipeline.sent if BEGIN + 1.0 < at < BEGIN + 6.5] == []
    assert stage.wall.now - BEGIN == pytest.approx(24 / 6 + 5.5, abs=1e-3)
    stage.check_no_burst(SIX_HOURS.factor)
    assert stage.script.states() == ["running", "paused", "running", "finished"]
    paused = [(at, s) for at, s in stage.script.published if s.state == "paused"]
    assert paused[0][0] == pytest.approx(BEGIN + 1.0)
    assert {s.command for _, s in paused} == {"1-0"}
    assert len({s.now_ts for _, s in paused}) == 1
    assert stage.script.published[-1][1].command == "2-0"


def test_pause_works_at_max() -> None:
    stage = Stage(200, MAX, ahead_hours=168)
    stage.pipeline.work_s = 0.01
    stage.command(0.5, "pause")
    stage.command(9.0, "resume")
    stage.run()
    stage.check_stream()
    # Commands are polled every tenth of a second.
    assert [at for at, _ in stage.pipeline.sent if BEGIN + 0.65 < at < BEGIN + 9.0] == []
    assert stage.wall.now - BEGIN == pytest.approx(200 * 0.01 + 8.5, abs=0.15)
    assert stage.script.states() == ["running", "paused", "running", "finished"]


def test_speed_can_change_during_a_run() -> None:
    stage = Stage(24, SIX_HOURS)
    stage.command(2.0, "speed", "1h/s")
    stage.command(5.0, "speed", "3h/s")
    stage.run()
    stage.check_stream()
    assert stage.wall.now - BEGIN == pytest.approx(5.0 + (24 - 12 - 3) / 3, abs=1e-3)
    times = stage.tick_times()
    assert times[12:16] == pytest.approx([2.0, 3.0, 4.0, 5.0], abs=1e-3)
    assert stage.script.speeds() == ["6h/s", "1h/s", "3h/s"]


def test_from_max_to_a_finite_speed_and_back() -> None:
    stage = Stage(300, MAX, ahead_hours=168)
    stage.pipeline.work_s = 0.02  # an hour at max: fifty a second
    stage.command(1.0, "speed", "2h/s")
    stage.command(6.0, "speed", "max")
    stage.run()
    stage.check_stream()
    times = np.array(stage.tick_times())
    assert (times < 1.0).sum() == pytest.approx(50, abs=3)
    # Five seconds at two hours a second: from where the replay stood, without a burst.
    between = times[(times > 1.15) & (times < 6.0)]
    assert len(between) == pytest.approx(10, abs=1)
    assert np.diff(between) == pytest.approx(0.5, abs=0.03)
    assert times[-1] == pytest.approx(6.0 + (300 - 60) * 0.02, abs=0.3)
    assert stage.script.speeds() == ["max", "2h/s", "max"]


def test_speed_set_while_paused_counts_from_the_resume() -> None:
    stage = Stage(12, SIX_HOURS)
    stage.command(1.0, "pause")
    stage.command(2.0, "speed", "1h/s")
    stage.command(3.0, "resume")
    stage.run()
    stage.check_stream()
    assert stage.wall.now - BEGIN == pytest.approx(3.0 + 6.0, abs=1e-3)


def test_simultaneous_commands_are_applied_in_order() -> None:
    stage = Stage(12, SIX_HOURS)
    for name, value in (("pause", ""), ("speed", "max"), ("speed", "1h/s"), ("resume", "")):
        stage.command(1.0, name, value)
    stage.run()
    # From max, the clock continues at the last slice that was sent: 18 minutes before.
    assert stage.wall.now - BEGIN == pytest.approx(1.0 + 6.0, abs=0.3)
    assert stage.script.published[-1][1].command == "4-0"


def test_an_invalid_command_is_published_and_does_not_stop_the_run() -> None:
    stage = Stage(12, SIX_HOURS)
    error = UsageError("unknown command 'stop': use pause, resume, speed")
    stage.script.commands.append((BEGIN + 0.5, "1-0", error))
    stage.command(1.5, "speed", "12h/s")
    stage.run()
    stage.check_stream()
    statuses = [status for _, status in stage.script.published]
    refused = [s for s in statuses if s.command == "1-0"]
    assert refused
    assert {s.command_error for s in refused} == {str(error)}
    assert {s.command_error for s in statuses if s.command != "1-0"} == {""}  # cleared
    assert statuses[-1].command == "2-0"
    assert stage.wall.now - BEGIN == pytest.approx(1.5 + 3 / 12, abs=1e-3)


@pytest.mark.parametrize("speed", [MAX, SIX_HOURS], ids=str)
def test_an_invalid_command_does_not_change_the_pace(speed: Speed) -> None:
    runs = []
    for errors in (0, 3):
        stage = Stage(24, speed, ahead_hours=168)
        stage.pipeline.work_s = 0.02
        stage.script.commands = [
            (BEGIN + 0.1 * (i + 1), f"{i}-0", UsageError("no")) for i in range(errors)
        ]
        stage.run()
        runs.append(stage.pipeline.ticks)
    assert runs[0] == runs[1]


def test_the_status_follows_the_replay() -> None:
    stage = Stage(24, SIX_HOURS)
    stage.run()
    times = [at for at, _ in stage.script.published]
    assert max(np.diff(times)) <= 0.2 + 1e-6
    for at, status in stage.script.published:
        assert status.trips == (status.now_ts - START) // MINUTE_MS  # one trip a minute
        assert status.now_ts <= START + (at - BEGIN) * 21_600_000 + 1
        assert status.now_ts >= START + (at - BEGIN - SLICE_S) * 21_600_000 - 1
    first, last = stage.script.published[0][1], stage.script.published[-1][1]
    assert first == ClockStatus(START, "6h/s", "running", 0, speed_setting="6h/s")
    assert last == ClockStatus(stage.end, "6h/s", "finished", 24 * 60, speed_setting="6h/s")


def test_the_clock_of_a_replay_shows_its_speed_and_pause() -> None:
    stage = Stage(6, SIX_HOURS)
    stage.command(0.5, "speed", "2h/s")
    clock = stage.run().clock
    assert (clock.speed, clock.paused) == (Speed(7_200.0), False)


@pytest.mark.parametrize("speed", [MAX, SIX_HOURS], ids=str)
def test_after_a_restart_trips_are_sent_from_the_first_open_hour_with_the_same_seq(
    speed: Speed,
) -> None:
    stage = Stage(12, speed, ahead_hours=2)
    resume_at = START + 5 * HOUR_MS
    stage.run(resume_at, ClockStatus(resume_at + 17 * MINUTE_MS, str(speed), "running", 317, "7-0"))
    assert [seq for _, seq in stage.pipeline.sent] == list(range(5 * 60, 12 * 60))
    assert stage.pipeline.ticks[0][1] == resume_at
    assert [final for *_, final in stage.pipeline.ticks] == [False] * 7 + [True]
    stage.check_no_burst(SIX_HOURS.factor if not speed.is_max else 1e12)
    first, last = stage.script.published[0][1], stage.script.published[-1][1]
    assert (first.now_ts, first.trips, first.command) == (resume_at, 5 * 60, "7-0")
    assert (last.now_ts, last.trips, last.state) == (stage.end, 12 * 60, "finished")


def test_after_a_restart_the_clock_keeps_its_speed_and_its_pause() -> None:
    stage = Stage(12, SIX_HOURS)
    stage.command(4.0, "resume")
    resume_at = START + 6 * HOUR_MS
    stage.run(resume_at, ClockStatus(resume_at, "2h/s", "paused", 360, "3-0", "", "6h/s"))
    assert stage.script.speeds() == ["2h/s"]
    assert stage.script.states() == ["paused", "running", "finished"]
    assert stage.wall.now - BEGIN == pytest.approx(4.0 + 6 / 2, abs=1e-3)


def test_a_command_does_not_change_the_published_speed_setting() -> None:
    stage = Stage(24, SIX_HOURS)
    stage.command(1.0, "speed", "12h/s")
    stage.run()
    assert stage.script.speeds() == ["6h/s", "12h/s"]
    assert {status.speed_setting for _, status in stage.script.published} == {"6h/s"}


@pytest.mark.parametrize(
    ("started_with", "expected"),
    [("6h/s", "1h/s"), ("max", "6h/s"), ("1h/s", "6h/s"), ("", "6h/s")],
    ids=["same setting", "was max", "was the live speed", "unknown"],
)
def test_after_a_restart_another_speed_setting_wins_over_the_live_speed(
    started_with: str, expected: str
) -> None:
    stage = Stage(6, SIX_HOURS)
    before = ClockStatus(START, "1h/s", "running", 0, "5-0", speed_setting=started_with)
    stage.run(START, before)
    assert stage.script.speeds() == [expected]
    _, last = stage.script.published[-1]
    # So the next restart keeps the live speed, unless the setting changes again.
    assert (last.speed_setting, last.command) == ("6h/s", "5-0")


def test_a_pause_outlasts_a_new_speed_setting() -> None:
    stage = Stage(6, SIX_HOURS)
    stage.command(2.0, "resume")
    stage.run(START, ClockStatus(START, "1h/s", "paused", 0, speed_setting="1h/s"))
    assert stage.script.states() == ["paused", "running", "finished"]
    assert stage.script.speeds() == ["6h/s"]
    assert stage.wall.now - BEGIN == pytest.approx(2.0 + 1.0, abs=1e-3)


# Commands that lead to an instant.


def at(hour: float) -> int:
    return START + round(hour * HOUR_MS)


@pytest.mark.parametrize("speed", [MAX, SIX_HOURS], ids=str)
def test_steps_send_whole_hours_and_the_clock_stands_between_them(speed: Speed) -> None:
    stage = Stage(12, speed, ahead_hours=168)
    stage.plan = replace(stage.plan, paused=True)
    stage.command(1.0, "step")
    stage.command(2.0, "step", "6h")
    stage.command(3.0, "step", "5h")
    stage.run()
    stage.check_stream()
    assert stage.tick_times() == pytest.approx([0, 1, *[2] * 6, *[3] * 5], abs=1e-3)
    assert {s.now_ts for _, s in stage.script.published if s.state == "paused"} == {
        at(0), at(1), at(7),
    }  # fmt: skip
    results = stage.script.published[-1][1].results
    assert [(each.id, each.command, each.now_ts, each.target_ts) for each in results] == [
        ("1-0", "step", at(0), at(1)),
        ("2-0", "step 6h", at(1), at(7)),
        ("3-0", "step 5h", at(7), at(12)),
    ]


def test_a_step_in_the_middle_of_an_hour_closes_that_hour() -> None:
    stage = Stage(12, ONE_HOUR)
    stage.command(2.5, "step")
    stage.command(9.0, "resume")
    stage.run()
    stage.check_stream()
    assert stage.tick_times()[:5] == pytest.approx([0, 1, 2, 2.5, 10], abs=1e-3)


def test_a_step_waits_for_hours_that_the_pipeline_has_to_close() -> None:
    stage = Stage(12, ONE_HOUR, ahead_hours=2)
    stage.pipeline.close_s = 0.5
    stage.plan = replace(stage.plan, paused=True)
    stage.command(1.0, "step", "12h")
    stage.run()
    stage.check_stream()
    assert stage.wall.now - BEGIN == pytest.approx(1.0 + 10 * 0.5, abs=0.2)
    assert "throttled" not in stage.script.states()


def test_until_pauses_at_its_hour_and_seek_runs_on() -> None:
    stage = Stage(24, SIX_HOURS, ahead_hours=168)
    stage.command(0.5, "until", clock_label(at(6)))  # there after a second
    stage.command(3.0, "seek", clock_label(at(12)))  # paused: so it stands there
    stage.command(4.0, "resume")
    stage.command(5.0, "seek", clock_label(at(21)))
    stage.run()
    stage.check_stream()
    times = stage.tick_times()
    assert times[6:8] == pytest.approx([1.0, 3.0], abs=1e-3)
    assert times[12:14] == pytest.approx([3.0, 4.0 + 1 / 6], abs=1e-3)
    assert times[21:23] == pytest.approx([5.0, 5.0 + 1 / 6], abs=1e-3)
    assert stage.script.speeds() == ["6h/s"]
    ahead = {(s.pause_at_ts, s.fast_until_ts) for _, s in stage.script.published}
    assert ahead == {(None, None), (at(6), None), (at(12), at(12)), (None, at(21))}


def test_a_run_begins_after_its_history_and_paused() -> None:
    stage = Stage(12, ONE_HOUR, ahead_hours=168)
    stage.plan = replace(stage.plan, start_at=at(8), paused=True)
    stage.command(2.0, "resume")
    stage.run()
    stage.check_stream()
    assert stage.tick_times() == pytest.approx([*[0] * 9, 3, 4, 5, 6], abs=1e-3)


def test_stop_ends_the_replay_at_once_and_flushes_what_was_sent() -> None:
    stage = Stage(12, SIX_HOURS)
    stage.command(1.0, "stop")
    stage.command(1.0, "resume")
    stage.run()
    assert not any(final for *_, final in stage.pipeline.ticks)
    assert stage.pipeline.order[-2] == ("flush", 0)
    _, last = stage.script.published[-1]
    assert (last.state, last.now_ts) == ("stopped", at(5.9))  # the last slice that was due
    assert [each.error for each in last.results] == ["", "resume: the run is being ended"]


@pytest.mark.parametrize(
    ("hour", "can_start_over", "why"),
    [
        (-1, True, "seek 2024-09-30 23:00 is before the start of the run, 2024-10-01 00:00"),
        (2, False, "only a run of `rushhour up` goes back"),
    ],
)
def test_a_seek_back_that_cannot_be_is_refused(hour: int, can_start_over: bool, why: str) -> None:
    stage = Stage(12, SIX_HOURS)
    stage.plan = replace(stage.plan, can_start_over=can_start_over)
    stage.command(1.0, "seek", clock_label(at(hour)))
    stage.run()
    stage.check_stream()
    assert stage.wall.now - BEGIN == pytest.approx(2.0, abs=1e-3)
    assert why in stage.script.published[-1][1].command_error


def test_a_seek_back_ends_the_replay_for_another_one() -> None:
    stage = Stage(12, SIX_HOURS)
    stage.plan = replace(stage.plan, can_start_over=True)
    stage.command(1.0, "seek", clock_label(at(2)))
    stage.run()
    _, last = stage.script.published[-1]
    assert (last.state, last.start_over_ts, last.speed) == ("starting", at(2), "6h/s")
    assert (last.pause_at_ts, last.fast_until_ts) == (None, at(2))
    again = Stage(12, SIX_HOURS)
    again.run(at(5), last)
    assert again.pipeline.sent == []


@pytest.mark.parametrize(("name", "pause_at"), [("pause", 2), ("until", 9)])
def test_a_seek_back_keeps_a_pause(name: str, pause_at: int) -> None:
    stage = Stage(12, SIX_HOURS)
    stage.plan = replace(stage.plan, can_start_over=True)
    stage.command(0.9, name, clock_label(at(9)) if name == "until" else "")
    stage.command(1.0, "seek", clock_label(at(2)))
    stage.run()
    _, last = stage.script.published[-1]
    assert (last.pause_at_ts, last.fast_until_ts) == (at(pause_at), at(2))


def test_each_result_of_commands_that_come_together_can_be_read() -> None:
    stage = Stage(12, SIX_HOURS)
    stage.command(1.0, "until", clock_label(at(3)))
    stage.command(1.0, "pause")
    stage.command(1.0, "resume")
    stage.run()
    _, last = stage.script.published[-1]
    assert [bool(each.error) for each in last.results] == [True, False, False]
    refused = last.result_of("1-0")
    assert refused is not None
    assert refused.error.startswith("until 2024-10-01 03:00 is in the past")


def test_after_a_restart_a_paused_clock_stands_where_it_stood() -> None:
    stage = Stage(12, SIX_HOURS)
    stage.command(4.0, "step")
    stage.command(5.0, "resume")
    stage.run(at(6), ClockStatus(at(8.5), "6h/s", "paused", 510, speed_setting="6h/s"))
    times = stage.tick_times()  # from hour 6 on
    assert times[:5] == pytest.approx([0, 0, 0, 4.0, 5.0 + 1 / 6], abs=1e-3)
    sent = [seq for _, seq in stage.pipeline.sent]
    assert sent == list(range(6 * 60, 12 * 60))


@pytest.mark.parametrize("now", [-1, 5.0, 12.0, 999.0])
def test_a_saved_time_that_cannot_be_moves_no_clock(now: float) -> None:
    stage = Stage(12, SIX_HOURS)
    stage.script.time_limit = BEGIN + 3.0
    with pytest.raises(Stuck):
        stage.run(at(6), ClockStatus(at(now), "6h/s", "paused", 5, speed_setting="6h/s"))
    assert stage.pipeline.sent == []
    assert stage.script.published[-1][1].now_ts == at(6)


@pytest.mark.parametrize("closed", [3, 6, 8])
def test_after_a_restart_a_step_goes_on_to_its_end(closed: int) -> None:
    stage = Stage(12, SIX_HOURS, ahead_hours=168)
    stage.command(4.0, "resume")
    before = ClockStatus(
        at(6), "6h/s", "running", 360, speed_setting="6h/s", pause_at_ts=at(8), fast_until_ts=at(8)
    )
    stage.run(at(closed), before)
    times = stage.tick_times()
    assert times[8 - closed] == pytest.approx(0, abs=1e-3)
    assert times[9 - closed] == pytest.approx(4.0 + 1 / 6, abs=1e-3)


@pytest.mark.parametrize("work_s", [0.0, 0.004])
def test_over_a_minute_with_thirty_changes_of_speed_time_is_what_it_should_be(
    work_s: float,
) -> None:
    draw = random.Random(30)
    stage = Stage(500, ONE_HOUR, ahead_hours=168)
    stage.pipeline.work_s = work_s
    factor, sim_s, last = ONE_HOUR.factor, 0.0, 0.0
    for when in [*sorted(draw.uniform(0, 60) for _ in range(30)), 60.0]:
        sim_s += (when - last) * factor
        factor, last = draw.choice([600.0, 1_800.0, 3_600.0, 7_200.0, 21_600.0, 777.7]), when
        name = "pause" if when == 60.0 else "speed"
        stage.command(when, name, "" if name == "pause" else str(factor))
    stage.script.time_limit = BEGIN + 61.0
    replay = Replay(stage.plan, stage.pipeline, stage.script, stage.wall)
    with pytest.raises(Stuck):
        replay.run()
    status = stage.script.published[-1][1]
    assert (status.state, len(status.results)) == ("paused", 8)
    assert (replay.clock.now(stage.wall.now) - START) / 1_000 == pytest.approx(sim_s, rel=1e-4)
    # Trips have been sent up to there, but for a slice that was not due.
    assert 0 <= sim_s - (status.now_ts - START) / 1_000 <= SLICE_S * 21_600.0 + 1


# The log.


def test_each_simulated_day_and_the_end_are_logged(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    Stage(50, MAX, ahead_hours=168).run()
    assert caplog.messages == [
        "simulated 2024-10-02 00:00: 1,440 trips sent",
        "simulated 2024-10-03 00:00: 2,880 trips sent",
        "finished: 3,000 trips sent",
    ]


def test_commands_are_logged(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    stage = Stage(12, SIX_HOURS)
    stage.script.commands.append((BEGIN + 0.5, "0-1", UsageError("unknown command 'stop'")))
    stage.command(1.0, "speed", "12h/s")
    stage.run()
    assert caplog.messages[:2] == [
        "command 0-1 refused: unknown command 'stop'",
        "command 2-0 applied: speed 12h/s",
    ]


def test_throttling_is_logged_once_at_its_start_and_end(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    stage = Stage(80, SIX_HOURS, ahead_hours=2)
    stage.pipeline.close_s = 0.5
    stage.script = Recovering(stage.wall, stage.pipeline, after_s=10.0)
    stage.run()
    throttling = [message for message in caplog.messages if "throttled" in message]
    assert throttling == [
        "throttled at 2024-10-01 02:00: the pipeline is slower than 6h/s",
        next(message for message in throttling if message.startswith("no longer throttled at ")),
    ]


def test_at_max_there_is_no_throttling_to_log(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    stage = Stage(20, MAX, ahead_hours=2)
    stage.pipeline.close_s = 0.5
    stage.run()
    assert [message for message in caplog.messages if "throttled" in message] == []
