from dataclasses import dataclass, field
from itertools import groupby

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from producers.replay import Plan, Replay, Updates, next_slice_end
from producers.trips import TripTable
from rushhour.core.clock import ClockStatus, Command
from rushhour.core.errors import UsageError
from rushhour.core.hours import HOUR_MS, MINUTE_MS
from rushhour.core.speed import MAX, Speed

START = 1_727_740_800_000
SIX_HOURS = Speed(21_600.0)
ONE_HOUR = Speed(3_600.0)
SLICE_S = 0.05  # how late a trip may be, at most, against its own pickup time
BEGIN = 1_000.0  # what the fake wall clock shows at first


class Stuck(Exception):
    """Raised by the fake control when the replay has nothing left that it may do."""


@dataclass
class Wall:
    """A clock on the wall that moves only when someone waits or works."""

    now: float = BEGIN

    def __call__(self) -> float:
        return self.now


@dataclass
class Line:
    """The rest of the line: takes in trips, and closes each hour some time after its tick.

    `work_s` is how long sending takes; `close_s` how long an hour takes to be closed, one
    after the other; infinity for a consumer that does nothing. Either may be changed on the way.
    """

    wall: Wall
    work_s: float = 0.0
    close_s: float = 0.0
    sent: list[tuple[float, int]] = field(default_factory=list)  # when, and which trip
    ticks: list[tuple[float, int, bool]] = field(default_factory=list)
    order: list[tuple[str, int]] = field(default_factory=list)
    closings: list[tuple[float, int]] = field(default_factory=list)

    def send_trips(self, table: TripTable, first: int, end: int) -> None:
        self.sent += [(self.wall.now, seq) for seq in range(first, end)]
        self.order += [("trip", ts) for ts in table.pickup_ts[first:end].tolist()]
        self.wall.now += self.work_s

    def send_tick(self, sim_ts: int, *, final: bool = False) -> None:
        self.ticks.append((self.wall.now, sim_ts, final))
        self.order.append(("tick", sim_ts))
        if len(self.ticks) > 1:
            begin = max([self.wall.now] + [at for at, _ in self.closings[-1:]])
            self.closings.append((begin + self.close_s, sim_ts - HOUR_MS))

    def flush(self) -> None:
        self.order.append(("flush", 0))

    def last_closed(self) -> int:
        return max((hour for at, hour in self.closings if at <= self.wall.now), default=0)


@dataclass
class Script:
    """Commands at set times, hours as the line closes them, and all that is published."""

    wall: Wall
    line: Line
    commands: list[tuple[float, str, Command | UsageError]] = field(default_factory=list)
    published: list[tuple[float, ClockStatus]] = field(default_factory=list)
    give_up_at: float = BEGIN + 1_000_000.0

    def wait(self, seconds: float) -> Updates:
        assert seconds >= 0
        if self.wall.now > self.give_up_at:
            raise Stuck
        known = self.wall.now
        news = [at for at, *_ in self.commands] + [at for at, _ in self.line.closings if at > known]
        self.wall.now = max(known, min([known + seconds, *news]))
        due = [entry for entry in self.commands if entry[0] <= self.wall.now]
        self.commands = [entry for entry in self.commands if entry[0] > self.wall.now]
        return Updates(tuple(entry[1:] for entry in due), self.line.last_closed() or None)

    def publish(self, status: ClockStatus) -> None:
        self.published.append((self.wall.now, status))
        self.line.order.append(("published", status.now_ts))

    def states(self) -> list[str]:
        """The states published, each once in a row."""
        return [state for state, _ in groupby(status.state for _, status in self.published)]

    def speeds(self) -> list[str]:
        """The speeds published, each once in a row."""
        return [speed for speed, _ in groupby(status.speed for _, status in self.published)]


class Stage:
    """A replay of some hours, with a trip every minute unless told otherwise."""

    def __init__(
        self, hours: int, speed: Speed, ahead_hours: int = 6, pickups: list[int] | None = None
    ) -> None:
        self.hours = hours
        self.end = START + hours * HOUR_MS
        if pickups is None:
            pickups = list(range(START, self.end, MINUTE_MS))
        times = np.array(pickups, np.int64)
        self.table = TripTable(times, np.ones(len(times), np.int16), len(times), {})
        self.plan = Plan(self.table, START, self.end, speed, ahead_hours)
        self.wall = Wall()
        self.line = Line(self.wall)
        self.script = Script(self.wall, self.line)

    def command(self, after_s: float, name: str, value: str = "") -> None:
        number = len(self.script.commands) + 1
        command = Command.from_fields({"command": name, "value": value})
        self.script.commands.append((BEGIN + after_s, f"{number}-0", command))

    def run(self, resume_at: int | None = None, status: ClockStatus | None = None) -> Replay:
        replay = Replay(self.plan, self.line, self.script, self.wall, resume_at, status)
        replay.run()
        return replay

    def check_stream(self) -> None:
        """All trips once and in order, a tick at the start and after each hour, a final one."""
        assert [seq for _, seq in self.line.sent] == list(range(len(self.table)))
        hours = list(range(START, self.end + 1, HOUR_MS))
        assert [ts for _, ts, _ in self.line.ticks] == hours
        assert [final for *_, final in self.line.ticks] == [False] * self.hours + [True]
        # Each tick after all trips before it and before all others; then the flush, then the word.
        stream = [entry for entry in self.line.order if entry[0] in ("trip", "tick")]
        assert stream == sorted(stream, key=lambda entry: (entry[1], entry[0] == "trip"))
        assert self.line.order[-2:] == [("flush", 0), ("published", self.end)]

    def tick_times(self) -> list[float]:
        """Seconds from the beginning until each tick."""
        return [at - BEGIN for at, *_ in self.line.ticks]

    def check_no_burst(self, factor: float, slack_s: float = 1e-6) -> None:
        """Between any two ticks, simulated time never ran faster than it was told to."""
        seconds = np.array([at for at, *_ in self.line.ticks])
        sim_s = np.array([ts for _, ts, _ in self.line.ticks]) / 1000
        ahead = sim_s - factor * seconds
        # The most that simulated time gained on the clock, from any tick to any later one.
        gain = float((ahead - np.minimum.accumulate(ahead)).max())
        assert gain / factor <= slack_s


speeds = st.sampled_from([MAX, SIX_HOURS, ONE_HOUR, Speed(1e7), Speed(777.7)])


@given(speeds, st.integers(1, 4), st.data())
@settings(max_examples=40)
def test_all_trips_go_out_once_and_in_order_with_a_tick_after_each_hour(
    speed: Speed, hours: int, data: st.DataObject
) -> None:
    edges = st.integers(0, hours).map(lambda hour: hour * HOUR_MS)
    offsets = st.integers(0, hours * HOUR_MS - 1) | edges | edges.map(lambda edge: edge - 1)
    inside = offsets.filter(lambda offset: 0 <= offset < hours * HOUR_MS)
    stage = Stage(hours, speed, 2, [START + o for o in sorted(data.draw(st.lists(inside)))])
    stage.line.close_s = data.draw(st.sampled_from([0.0, 0.01, 3.0]))
    stage.line.work_s = data.draw(st.sampled_from([0.0, 0.001, 0.3]))
    stage.run()
    stage.check_stream()


@given(speeds, st.integers(0, 10**10))
def test_slices_tile_each_hour(speed: Speed, position: int) -> None:
    end = 10**10 + 1
    after = next_slice_end(position, speed, end)
    assert position < after <= end
    assert position // HOUR_MS == (after - 1) // HOUR_MS
    if after % HOUR_MS and after != end:
        assert after - position == pytest.approx(speed.factor * SLICE_S * 1000, abs=1)


def test_even_the_slowest_clock_moves_on() -> None:
    assert next_slice_end(START, Speed(0.001), START + HOUR_MS) == START + 1


def test_only_trips_of_the_window_go_out() -> None:
    stage = Stage(2, MAX, pickups=[START - 1, START, START + HOUR_MS, START + 2 * HOUR_MS])
    stage.run()
    assert [seq for _, seq in stage.line.sent] == [1, 2]
    _, status = stage.script.published[-1]
    assert (status.state, status.trips, status.now_ts) == ("finished", 2, stage.end)


@pytest.mark.parametrize("work_s", [0.0, 0.004])
def test_over_a_month_no_trip_is_early_and_lateness_never_adds_up(work_s: float) -> None:
    stage = Stage(31 * 24, SIX_HOURS)
    stage.line.work_s = work_s
    stage.run()
    stage.check_stream()
    at, seq = np.array(stage.line.sent).T
    due = BEGIN + (stage.table.pickup_ts[seq.astype(int)] - START) / (21_600.0 * 1000)
    late = at - due
    assert late.min() >= -1e-6
    assert late.max() <= SLICE_S + 3 * work_s + 1e-6  # a slice may wait for the one before
    assert stage.wall.now - BEGIN == pytest.approx(31 * 24 / 6, abs=2 * work_s + 1e-6)
    assert stage.script.states() == ["running", "finished"]


@pytest.mark.parametrize("speed", [MAX, SIX_HOURS], ids=str)
@pytest.mark.parametrize("ahead", [1, 6, 24])
def test_the_replay_stops_ahead_of_a_consumer_that_does_nothing(speed: Speed, ahead: int) -> None:
    stage = Stage(48, speed, ahead)
    stage.line.close_s = float("inf")
    stage.script.give_up_at = BEGIN + 30.0
    with pytest.raises(Stuck):
        stage.run()
    # Hours 0 to ahead - 1 lie at most `ahead` hours after the one before the start.
    assert [ts for _, ts, _ in stage.line.ticks][-1] <= START + ahead * HOUR_MS
    assert len(stage.line.sent) == ahead * 60
    _, status = stage.script.published[-1]
    assert status.now_ts == START + ahead * HOUR_MS
    assert status.state == ("running" if speed.is_max else "throttled")
    assert len(stage.script.published) > 100  # and it goes on to say so


@pytest.mark.parametrize("speed", [MAX, SIX_HOURS, Speed(1e6)], ids=str)
@pytest.mark.parametrize("ahead", [1, 3])
def test_the_replay_stays_within_its_lead_of_a_slow_consumer(speed: Speed, ahead: int) -> None:
    stage = Stage(40, speed, ahead)
    stage.line.close_s = 0.5
    stage.run()
    stage.check_stream()
    for at, seq in stage.line.sent:
        hour = (int(stage.table.pickup_ts[seq]) - START) // HOUR_MS
        closed = [c for when, c in stage.line.closings if when <= at]
        last_closed = (max(closed, default=START - HOUR_MS) - START) // HOUR_MS
        assert hour - last_closed <= ahead
    # It follows each closed hour at once. With a lead of one hour, the consumer waits for each
    # hour to pass; with more, it never waits.
    waits = 0.0 if speed.is_max or ahead > 1 else 3600 / speed.factor
    seconds = stage.wall.now - BEGIN
    assert 0.5 * (40 - ahead) <= seconds <= 40 * (0.5 + waits) + 0.5


def test_a_slow_line_slows_simulated_time_and_owes_nothing_afterwards() -> None:
    stage = Stage(120, SIX_HOURS, ahead_hours=2)
    stage.line.close_s = 0.5  # 2 hours a second, where 6 are asked for
    line = stage.line

    class Recovering(Script):
        """The consumer is quick again after 20 seconds."""

        def wait(self, seconds: float) -> Updates:
            if self.wall.now > BEGIN + 20.0:
                line.close_s = 0.0
            return super().wait(seconds)

    stage.script = Recovering(stage.wall, line)
    stage.run()
    stage.check_stream()
    times = stage.tick_times()
    slow = sum(at < 20.0 for at in times)
    assert slow == pytest.approx(20.0 / 0.5, abs=3)
    # The other hours come at the speed that was asked for, and not in a rush.
    assert times[-1] - 20.0 == pytest.approx((120 - slow) / 6, abs=0.8)
    stage.check_no_burst(SIX_HOURS.factor)
    assert "throttled" in stage.script.states()
    assert stage.script.speeds() == ["6h/s"]
    late = [status.state for at, status in stage.script.published if at > BEGIN + 23.0]
    assert set(late) == {"running", "finished"}


def test_a_slow_stream_slows_simulated_time_and_owes_at_most_a_second() -> None:
    stage = Stage(60, SIX_HOURS, ahead_hours=168)  # so that nothing else holds it back
    line = stage.line
    line.work_s = 0.4  # for a slice of 0.05 s

    class Recovering(Script):
        def wait(self, seconds: float) -> Updates:
            if self.wall.now > BEGIN + 12.0:
                line.work_s = 0.0
            return super().wait(seconds)

    stage.script = Recovering(stage.wall, line)
    stage.run()
    stage.check_stream()
    stage.check_no_burst(SIX_HOURS.factor, slack_s=1.0 + 0.4 + SLICE_S)
    # Some 9 hours went out in the first 12 seconds; the others do not make up for that.
    assert stage.wall.now - BEGIN > 12.0 + (60 - 9) / 6 - 1.5
    states = stage.script.states()
    assert "throttled" in states
    assert states[-2:] == ["running", "finished"]


def test_pause_stops_the_stream_and_resume_goes_on_where_it_stopped() -> None:
    stage = Stage(24, SIX_HOURS)
    stage.command(1.0, "pause")
    stage.command(6.5, "resume")
    stage.run()
    stage.check_stream()
    assert [at for at, _ in stage.line.sent if BEGIN + 1.0 < at < BEGIN + 6.5] == []
    assert stage.wall.now - BEGIN == pytest.approx(24 / 6 + 5.5, abs=1e-3)
    stage.check_no_burst(SIX_HOURS.factor)
    assert stage.script.states() == ["running", "paused", "running", "finished"]
    paused = [(at, s) for at, s in stage.script.published if s.state == "paused"]
    assert paused[0][0] == pytest.approx(BEGIN + 1.0)
    assert {s.command for _, s in paused} == {"1-0"}
    assert len({s.now_ts for _, s in paused}) == 1
    assert stage.script.published[-1][1].command == "2-0"


def test_pause_works_at_max_too() -> None:
    stage = Stage(200, MAX, ahead_hours=168)
    stage.line.work_s = 0.01
    stage.command(0.5, "pause")
    stage.command(9.0, "resume")
    stage.run()
    stage.check_stream()
    # Commands are looked for each tenth of a second.
    assert [at for at, _ in stage.line.sent if BEGIN + 0.65 < at < BEGIN + 9.0] == []
    assert stage.wall.now - BEGIN == pytest.approx(200 * 0.01 + 8.5, abs=0.15)
    assert stage.script.states() == ["running", "paused", "running", "finished"]


def test_speed_can_change_on_the_way() -> None:
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
    stage.line.work_s = 0.02  # an hour at max: fifty a second
    stage.command(1.0, "speed", "2h/s")
    stage.command(6.0, "speed", "max")
    stage.run()
    stage.check_stream()
    times = np.array(stage.tick_times())
    assert (times < 1.0).sum() == pytest.approx(50, abs=3)
    # Five seconds at two hours a second: from where the replay stood, without a rush.
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


def test_commands_that_come_together_are_obeyed_in_order() -> None:
    stage = Stage(12, SIX_HOURS)
    for name, value in (("pause", ""), ("speed", "max"), ("speed", "1h/s"), ("resume", "")):
        stage.command(1.0, name, value)
    stage.run()
    # From max, the clock goes on from the last slice that went out: 18 minutes before.
    assert stage.wall.now - BEGIN == pytest.approx(1.0 + 6.0, abs=0.3)
    assert stage.script.published[-1][1].command == "4-0"


def test_a_bad_command_is_told_and_does_not_stop_the_run() -> None:
    stage = Stage(12, SIX_HOURS)
    error = UsageError("'stop' is not a command: pause, resume, speed")
    stage.script.commands.append((BEGIN + 0.5, "1-0", error))
    stage.command(1.5, "speed", "12h/s")
    stage.run()
    stage.check_stream()
    statuses = [status for _, status in stage.script.published]
    told = [s for s in statuses if s.command == "1-0"]
    assert told
    assert {s.command_error for s in told} == {str(error)}
    assert {s.command_error for s in statuses if s.command != "1-0"} == {""}  # it is forgotten
    assert statuses[-1].command == "2-0"
    assert stage.wall.now - BEGIN == pytest.approx(1.5 + 3 / 12, abs=1e-3)


@pytest.mark.parametrize("speed", [MAX, SIX_HOURS], ids=str)
def test_a_bad_command_changes_nothing_about_the_pace(speed: Speed) -> None:
    runs = []
    for errors in (0, 3):
        stage = Stage(24, speed, ahead_hours=168)
        stage.line.work_s = 0.02
        stage.script.commands = [
            (BEGIN + 0.1 * (i + 1), f"{i}-0", UsageError("no")) for i in range(errors)
        ]
        stage.run()
        runs.append(stage.line.ticks)
    assert runs[0] == runs[1]


def test_the_status_says_where_the_replay_stands() -> None:
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
def test_after_a_restart_trips_go_out_from_the_first_open_hour_with_the_same_numbers(
    speed: Speed,
) -> None:
    stage = Stage(12, speed, ahead_hours=2)
    resume_at = START + 5 * HOUR_MS
    stage.run(resume_at, ClockStatus(resume_at + 17 * MINUTE_MS, str(speed), "running", 317, "7-0"))
    assert [seq for _, seq in stage.line.sent] == list(range(5 * 60, 12 * 60))
    assert stage.line.ticks[0][1] == resume_at
    assert [final for *_, final in stage.line.ticks] == [False] * 7 + [True]
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


def test_a_command_does_not_change_which_speed_the_replay_was_started_with() -> None:
    stage = Stage(24, SIX_HOURS)
    stage.command(1.0, "speed", "12h/s")
    stage.run()
    assert stage.script.speeds() == ["6h/s", "12h/s"]
    assert {status.speed_setting for _, status in stage.script.published} == {"6h/s"}


@pytest.mark.parametrize(
    ("started_with", "expected"),
    [("6h/s", "1h/s"), ("max", "6h/s"), ("1h/s", "6h/s"), ("", "6h/s")],
    ids=["same setting", "was max", "was what it ran at", "is not known"],
)
def test_after_a_restart_another_speed_setting_wins_over_the_live_speed(
    started_with: str, expected: str
) -> None:
    stage = Stage(6, SIX_HOURS)
    before = ClockStatus(START, "1h/s", "running", 0, "5-0", speed_setting=started_with)
    stage.run(START, before)
    assert stage.script.speeds() == [expected]
    _, last = stage.script.published[-1]
    # So it is the live speed of the next restart that goes on, unless the setting changes again.
    assert (last.speed_setting, last.command) == ("6h/s", "5-0")


def test_a_pause_outlasts_a_new_speed_setting() -> None:
    stage = Stage(6, SIX_HOURS)
    stage.command(2.0, "resume")
    stage.run(START, ClockStatus(START, "1h/s", "paused", 0, speed_setting="1h/s"))
    assert stage.script.states() == ["paused", "running", "finished"]
    assert stage.script.speeds() == ["6h/s"]
    assert stage.wall.now - BEGIN == pytest.approx(2.0 + 1.0, abs=1e-3)
