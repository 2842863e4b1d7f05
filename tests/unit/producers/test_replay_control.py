"""Commands to the replay, its status, its restart, and its log."""

import numpy as np
import pytest

from producers.replay import Updates, WaitingFor
from rushhour.core.clock import ClockStatus
from rushhour.core.errors import UsageError
from rushhour.core.hours import HOUR_MS, MINUTE_MS
from rushhour.core.speed import MAX, Speed
from tests.fixtures.replay import BEGIN, START, Script, Stage

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
    pipeline = stage.pipeline
    pipeline.close_s = 0.5

    class Recovering(Script):
        """The consumer is fast again after 10 seconds."""

        def wait(self, seconds: float, reason: WaitingFor) -> Updates:
            if self.wall.now > BEGIN + 10.0:
                pipeline.close_s = 0.0
            return super().wait(seconds, reason)

    stage.script = Recovering(stage.wall, pipeline)
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
