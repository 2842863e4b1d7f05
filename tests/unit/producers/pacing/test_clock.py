import math
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from producers.pacing.clock import SimClock
from rushhour.core.speed import MAX, Speed

OCTOBER = 1_727_740_800_000
HOURS_PER_SECOND = Speed(3600.0)

walls = st.floats(0, 100_000)
factors = st.sampled_from([0.1, 1.0, 3600.0, 21_600.0, 1e6]) | st.floats(0.01, 1e6)
speeds = factors.map(Speed)
clocks = st.builds(SimClock, walls, st.just(OCTOBER), speeds, st.booleans())
# Changes of the clock: seconds of wall time before each, and the change.
changes = st.lists(
    st.tuples(st.floats(0, 2_000), st.sampled_from(["pause", "resume"]) | speeds), max_size=30
)


@given(clocks, st.lists(walls, min_size=2))
def test_simulated_time_is_monotonic(clock: SimClock, times: list[float]) -> None:
    seen = [clock.now(wall) for wall in sorted(times)]
    assert seen == sorted(seen)


@given(walls, speeds, st.floats(0, 2_000))
def test_an_instant_is_due_when_the_clock_shows_it(
    anchor: float, speed: Speed, later: float
) -> None:
    clock = SimClock(anchor, OCTOBER, speed)
    wall = anchor + later
    one_ms = 0.001 / speed.factor
    assert -1e-9 <= wall - clock.wall_at(clock.now(wall)) <= one_ms + 1e-9


@given(walls, speeds, st.integers(0, 10**9))
def test_the_clock_shows_an_instant_when_it_is_due(anchor: float, speed: Speed, later: int) -> None:
    clock = SimClock(anchor, OCTOBER, speed)
    assert abs(clock.now(clock.wall_at(OCTOBER + later)) - (OCTOBER + later)) <= 1


@given(walls, speeds, changes)
def test_simulated_time_is_the_sum_of_its_segments(
    anchor: float, speed: Speed, plan: list[tuple[float, str | Speed]]
) -> None:
    clock = SimClock(anchor, OCTOBER, speed)
    exact, running, factor, wall = Fraction(OCTOBER), True, Fraction(speed.factor), anchor
    for seconds, change in [*plan, (1.0, "pause")]:
        before, wall = wall, wall + seconds
        if running:
            exact += (Fraction(wall) - Fraction(before)) * factor * 1000
        if isinstance(change, Speed):
            clock, factor = clock.at_speed(change, wall), Fraction(change.factor)
        elif change == "pause":
            clock, running = clock.pause(wall), False
        else:
            clock, running = clock.resume(wall), True
        assert clock.paused is not running
    # Each change rounds down to a millisecond; there is no other error.
    assert -0.5 <= exact - clock.now(wall) <= len(plan) + 1.5


@given(walls, speeds, speeds, st.floats(0, 100))
def test_what_was_due_before_a_new_speed_was_due_by_then(
    anchor: float, speed: Speed, slower: Speed, seconds: float
) -> None:
    wall = anchor + seconds
    clock = SimClock(anchor, OCTOBER, speed).at_speed(slower, wall)
    assert clock.wall_at(OCTOBER) == clock.wall_at(clock.now(wall)) == wall


@given(clocks, walls, walls)
def test_a_paused_clock_stops_and_nothing_is_due(
    clock: SimClock, wall: float, later: float
) -> None:
    paused = clock.pause(wall)
    assert paused.now(wall) == paused.now(wall + later) == clock.now(wall)
    assert paused.wall_at(paused.now(wall) + 1) == math.inf


@given(walls, speeds, walls)
def test_a_pause_is_not_made_up_for(anchor: float, speed: Speed, pause: float) -> None:
    clock = SimClock(anchor, OCTOBER, speed).pause(anchor + 1).resume(anchor + 1 + pause)
    assert clock.now(anchor + 1 + pause) == SimClock(anchor, OCTOBER, speed).now(anchor + 1)
    assert not clock.paused


def test_pausing_twice_or_resuming_a_running_clock_changes_nothing() -> None:
    clock = SimClock(0.0, OCTOBER, HOURS_PER_SECOND)
    assert clock.resume(5.0) is clock
    assert clock.pause(2.0).pause(9.0).now(20.0) == clock.now(2.0)


def test_a_speed_set_while_paused_counts_from_the_resume() -> None:
    clock = SimClock(0.0, OCTOBER, HOURS_PER_SECOND).pause(1.0).at_speed(Speed(2.0), 5.0)
    assert clock.paused
    assert clock.now(50.0) == OCTOBER + 3_600_000
    assert clock.resume(100.0).now(110.0) == OCTOBER + 3_600_000 + 20_000


@given(clocks, walls, st.integers(0, 10**10))
def test_a_rebased_clock_continues_from_its_new_anchor(
    clock: SimClock, wall: float, late: int
) -> None:
    held = clock.rebase(OCTOBER + late, wall)
    assert held.now(wall) == OCTOBER + late
    assert (held.speed, held.paused) == (clock.speed, clock.paused)
    if not held.paused:
        assert held.wall_at(OCTOBER + late) == wall


def test_at_max_everything_is_due_and_the_clock_stays_at_its_anchor() -> None:
    clock = SimClock(10.0, OCTOBER, MAX)
    assert clock.now(99.0) == OCTOBER
    assert clock.wall_at(OCTOBER + 10**12) == 10.0
    assert clock.pause(11.0).wall_at(OCTOBER) == math.inf


def test_from_max_to_a_finite_speed_time_runs_from_the_anchor() -> None:
    clock = SimClock(10.0, OCTOBER, MAX).rebase(OCTOBER + 5, 20.0).at_speed(Speed(1.0), 20.0)
    assert clock.now(21.0) == OCTOBER + 1_005


def test_a_clock_is_immutable() -> None:
    clock = SimClock(0.0, OCTOBER, HOURS_PER_SECOND)
    with pytest.raises(AttributeError):
        clock.anchor_sim = 5  # type: ignore[misc]
