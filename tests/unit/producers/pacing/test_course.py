"""What commands have the clock do, whatever it does when they come."""

import math
import random
from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from producers.pacing.clock import SimClock
from producers.pacing.course import Course
from producers.pacing.replay import next_slice_end
from rushhour.core.clock import Command
from rushhour.core.errors import UsageError
from rushhour.core.hours import HOUR_MS, MINUTE_MS, clock_label
from rushhour.core.speed import MAX, Speed

START = 1_727_740_800_000  # 2024-10-01 00:00
HOURS = 48
END = START + HOURS * HOUR_MS
ONE_HOUR = Speed(3_600.0)


def at(hour: float) -> int:
    return START + round(hour * HOUR_MS)


def label(hour: int) -> str:
    return clock_label(at(hour))


def course(hour: float = 0, speed: Speed = ONE_HOUR, *, paused: bool = False) -> Course:
    return Course.begin(SimClock(0.0, at(hour), speed, paused), END)


@dataclass
class Drive:
    """A course that is followed slice by slice on a clock of its own."""

    course: Course
    position: int
    wall: float = 0.0

    def apply(self, name: str, value: str = "") -> None:
        command = Command.from_fields({"command": name, "value": value})
        self.course = self.course.apply(command, self.position, self.wall)

    def run(self, seconds: float = math.inf) -> None:
        """Follow the course for some time, or until it stands still."""
        until = self.wall + seconds
        while self.position < END:
            clock = self.course.clock
            end = self.course.limit(next_slice_end(self.position, clock.speed, END))
            due = clock.wall_at(end)
            if max(self.wall, due) > until or due == math.inf:
                break
            self.wall, self.position = max(self.wall, due), end
            self.course = self.course.arrive(self.position, self.wall)
        if seconds < math.inf:
            self.wall = until


@pytest.mark.parametrize("speed", [ONE_HOUR, MAX, Speed(0.001)], ids=str)
@pytest.mark.parametrize("paused", [True, False])
@pytest.mark.parametrize(
    ("hour", "value", "stands"), [(5, "", 6), (5, "6h", 11), (5.4, "1h", 6), (5.9, "1d", 29)]
)
def test_a_step_closes_its_hours_at_once_and_stands_still(
    speed: Speed, paused: bool, hour: float, value: str, stands: int
) -> None:
    drive = Drive(course(hour, speed, paused=paused), at(hour))
    drive.apply("step", value)
    assert drive.course.target_of(Command("step", value)) == at(stands)
    drive.run()
    assert (drive.position, drive.wall) == (at(stands), 0.0)
    assert (drive.course.clock.paused, drive.course.speed) == (True, speed)
    assert (drive.course.clock.speed, drive.course.clock.now(99.0)) == (speed, at(stands))


def test_until_runs_at_the_speed_and_pauses() -> None:
    drive = Drive(course(2), at(2))
    drive.apply("until", label(6))
    drive.run()
    assert drive.position == at(6)
    assert drive.wall == pytest.approx(4.0)
    assert drive.course.clock.paused


def test_until_lets_a_paused_clock_run() -> None:
    drive = Drive(course(2, paused=True), at(2))
    drive.run(10.0)
    drive.apply("until", label(3))
    drive.run()
    assert drive.position == at(3)
    assert drive.wall == pytest.approx(11.0)


@pytest.mark.parametrize("paused", [True, False])
def test_seek_goes_on_as_before(paused: bool) -> None:
    drive = Drive(course(2, paused=paused), at(2))
    drive.apply("seek", label(20))
    drive.run(0.0)
    assert (drive.position, drive.course.clock.paused) == (at(20), paused)
    drive.run(3.0)
    assert drive.position == at(20 if paused else 23)


def test_seek_on_the_way_to_a_pause_keeps_the_pause() -> None:
    drive = Drive(course(2), at(2))
    drive.apply("until", label(10))
    drive.apply("seek", label(8))
    drive.run()
    assert drive.position == at(10)
    assert drive.wall == pytest.approx(2.0)
    assert drive.course.clock.paused

    drive = Drive(course(2), at(2))
    drive.apply("until", label(10))
    drive.apply("seek", label(12))
    drive.run()
    assert (drive.position, drive.wall) == (at(12), 0.0)


def test_a_speed_given_meanwhile_counts_after_a_seek() -> None:
    drive = Drive(course(2), at(2))
    drive.apply("seek", label(12))
    drive.apply("speed", "2h/s")
    assert drive.course.clock.speed == MAX
    drive.run(3.0)
    assert drive.position == at(18)


@pytest.mark.parametrize("name", ["pause", "resume"])
@pytest.mark.parametrize("under_way", ["step", "seek", "until"])
def test_pause_and_resume_end_what_is_under_way(name: str, under_way: str) -> None:
    drive = Drive(course(2), at(2))
    drive.apply(under_way, "20h" if under_way == "step" else label(22))
    drive.apply(name)
    drive.run(3.0)
    assert (drive.course.pause_at, drive.course.fast_until) == (None, None)
    assert drive.position == at(2 if name == "pause" else 5)


def test_a_step_from_a_step_counts_from_where_it_is() -> None:
    drive = Drive(course(2.5), at(2.5))
    drive.apply("step", "20h")
    drive.apply("step", "2h")
    drive.run()
    assert drive.position == at(4)


@pytest.mark.parametrize(
    ("name", "value", "why"),
    [
        ("step", "29h", r"goes beyond the end of the run, 2024-10-03 00:00: 28 h are left$"),
        ("until", label(49), r"is after the end of the run, 2024-10-03 00:00"),
        ("seek", label(49), r"is after the end of the run, 2024-10-03 00:00"),
        ("until", label(20), r"is in the past: simulated time is 2024-10-01 20:30$"),
        ("until", "1970-01-01", r"is in the past"),
    ],
)
def test_what_the_clock_cannot_do_is_refused_and_changes_nothing(
    name: str, value: str, why: str
) -> None:
    drive = Drive(course(20.5), at(20.5))
    before = drive.course
    with pytest.raises(UsageError, match=why):
        drive.apply(name, value)
    assert drive.course is before


def test_a_step_may_end_with_the_run() -> None:
    drive = Drive(course(20), at(20))
    drive.apply("step", "28h")
    drive.run()
    assert drive.position == END


commands = st.one_of(
    st.tuples(st.sampled_from(["pause", "resume"]), st.just("")),
    st.tuples(st.just("speed"), st.sampled_from(["max", "1h/s", "30m/s", "0.5", "7h/s"])),
    st.tuples(st.just("step"), st.sampled_from(["1h", "3h", "1d"])),
    st.tuples(st.sampled_from(["until", "seek"]), st.integers(0, HOURS + 1).map(label)),
)


@given(
    st.booleans(),
    st.sampled_from([ONE_HOUR, MAX]),
    st.lists(st.tuples(st.floats(0, 5), commands), max_size=20),
)
def test_any_commands_leave_a_clock_that_runs_to_the_end(
    paused: bool, speed: Speed, plan: list[tuple[float, tuple[str, str]]]
) -> None:
    drive = Drive(course(0, speed, paused=paused), START)
    for seconds, (name, value) in plan:
        drive.run(seconds)
        before, position = drive.course, drive.position
        try:
            drive.apply(name, value)
        except UsageError:
            assert drive.course is before
        found = drive.course
        assert drive.position == position
        ahead = [ts for ts in (found.pause_at, found.fast_until) if ts is not None]
        assert all(position < ts <= END for ts in ahead)
        assert not (found.clock.paused and ahead)
        assert found.clock.speed == (MAX if found.fast_until is not None else found.speed)
    drive.apply("resume")
    drive.apply("speed", "max")
    drive.run()
    assert drive.position == END


def test_over_a_minute_with_thirty_changes_of_speed_time_is_what_it_should_be() -> None:
    draw = random.Random(30)
    month_end = START + 31 * 24 * HOUR_MS
    drive = Drive(Course.begin(SimClock(0.0, START, ONE_HOUR), month_end), START)
    factor, expected_ms, changes = 3_600.0, 0.0, sorted(draw.uniform(0, 60) for _ in range(30))
    last = 0.0
    for when in changes:
        drive.wall = when
        expected_ms += (when - last) * factor * 1_000
        factor = draw.choice([600.0, 1_800.0, 3_600.0, 7_200.0, 21_600.0, 777.7])
        drive.apply("speed", str(factor))
        last = when
    expected_ms += (60.0 - last) * factor * 1_000
    assert drive.course.clock.now(60.0) - START == pytest.approx(expected_ms, rel=1e-6)


def test_a_new_run_may_begin_with_history_and_paused() -> None:
    clock = SimClock(0.0, START, ONE_HOUR)
    drive = Drive(Course.begin(clock, END, fast_until=at(23)), START)
    drive.run(2.0)
    assert drive.position == at(25)
    drive = Drive(Course.begin(clock, END, pause_at=at(23), fast_until=at(23)), START)
    drive.run()
    assert (drive.position, drive.wall, drive.course.clock.paused) == (at(23), 0.0, True)
    drive = Drive(Course.begin(clock, END, pause_at=START), START)
    drive.run()
    assert (drive.position, drive.course.clock.paused) == (START, True)


def test_no_slice_passes_what_is_ahead() -> None:
    ahead = Course.begin(SimClock(0.0, START, ONE_HOUR), END, pause_at=at(1) + MINUTE_MS)
    assert ahead.limit(at(1) + 2 * MINUTE_MS) == at(1) + MINUTE_MS
    assert ahead.limit(at(1)) == at(1)
