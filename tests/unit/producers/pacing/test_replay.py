"""The pace of the replay: when trips and ticks are sent, and how a slow pipeline throttles it."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from producers.pacing.replay import next_slice_end
from rushhour.core.hours import HOUR_MS
from rushhour.core.speed import MAX, Speed
from tests.fixtures.replay import BEGIN, START, Recovering, Stage, Stuck

SIX_HOURS = Speed(21_600.0)
ONE_HOUR = Speed(3_600.0)
SLICE_S = 0.05  # maximal lateness of a trip

speeds = st.sampled_from([MAX, SIX_HOURS, ONE_HOUR, Speed(1e7), Speed(777.7)])


@given(speeds, st.integers(1, 4), st.data())
def test_every_trip_is_sent_once_and_in_order_with_a_tick_after_each_hour(
    speed: Speed, hours: int, data: st.DataObject
) -> None:
    edges = st.integers(0, hours).map(lambda hour: hour * HOUR_MS)
    offsets = st.integers(0, hours * HOUR_MS - 1) | edges | edges.map(lambda edge: edge - 1)
    inside = offsets.filter(lambda offset: 0 <= offset < hours * HOUR_MS)
    stage = Stage(hours, speed, 2, [START + o for o in sorted(data.draw(st.lists(inside)))])
    stage.pipeline.close_s = data.draw(st.sampled_from([0.0, 0.01, 3.0]))
    stage.pipeline.work_s = data.draw(st.sampled_from([0.0, 0.001, 0.3]))
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


def test_the_slowest_clock_advances() -> None:
    assert next_slice_end(START, Speed(0.001), START + HOUR_MS) == START + 1


def test_only_trips_of_the_window_are_sent() -> None:
    stage = Stage(2, MAX, pickups=[START - 1, START, START + HOUR_MS, START + 2 * HOUR_MS])
    stage.run()
    assert [seq for _, seq in stage.pipeline.sent] == [1, 2]
    _, status = stage.script.published[-1]
    assert (status.state, status.trips, status.now_ts) == ("finished", 2, stage.end)


@pytest.mark.parametrize("work_s", [0.0, 0.004])
def test_over_a_month_no_trip_is_early_and_lateness_never_adds_up(work_s: float) -> None:
    stage = Stage(31 * 24, SIX_HOURS)
    stage.pipeline.work_s = work_s
    stage.run()
    stage.check_stream()
    at, seq = np.array(stage.pipeline.sent).T
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
    stage.pipeline.close_s = float("inf")
    stage.script.time_limit = BEGIN + 30.0
    with pytest.raises(Stuck):
        stage.run()
    # Hours 0 to ahead - 1 lie at most `ahead` hours after the one before the start.
    assert [ts for _, ts, _ in stage.pipeline.ticks][-1] <= START + ahead * HOUR_MS
    assert len(stage.pipeline.sent) == ahead * 60
    _, status = stage.script.published[-1]
    assert status.now_ts == START + ahead * HOUR_MS
    assert status.state == ("running" if speed.is_max else "throttled")
    assert len(stage.script.published) > 100  # still publishing


@pytest.mark.parametrize("speed", [MAX, SIX_HOURS, Speed(1e6)], ids=str)
@pytest.mark.parametrize("ahead", [1, 3])
def test_the_replay_stays_within_its_lead_of_a_slow_consumer(speed: Speed, ahead: int) -> None:
    stage = Stage(40, speed, ahead)
    stage.pipeline.close_s = 0.5
    stage.run()
    stage.check_stream()
    for at, seq in stage.pipeline.sent:
        hour = (int(stage.table.pickup_ts[seq]) - START) // HOUR_MS
        closed = [c for when, c in stage.pipeline.closings if when <= at]
        last_closed = (max(closed, default=START - HOUR_MS) - START) // HOUR_MS
        assert hour - last_closed <= ahead
    # It follows each closed hour at once. With a lead of one hour, the consumer waits for each
    # hour to pass; with more, it never waits.
    waits = 0.0 if speed.is_max or ahead > 1 else 3600 / speed.factor
    seconds = stage.wall.now - BEGIN
    assert 0.5 * (40 - ahead) <= seconds <= 40 * (0.5 + waits) + 0.5


def test_a_slow_consumer_slows_simulated_time_without_a_backlog() -> None:
    stage = Stage(120, SIX_HOURS, ahead_hours=2)
    stage.pipeline.close_s = 0.5  # 2 hours a second, at a speed of 6
    stage.script = Recovering(stage.wall, stage.pipeline, after_s=20.0)
    stage.run()
    stage.check_stream()
    times = stage.tick_times()
    slow = sum(at < 20.0 for at in times)
    assert slow == pytest.approx(20.0 / 0.5, abs=3)
    # The other hours come at the speed setting, not in a burst.
    assert times[-1] - 20.0 == pytest.approx((120 - slow) / 6, abs=0.8)
    stage.check_no_burst(SIX_HOURS.factor)
    assert "throttled" in stage.script.states()
    assert stage.script.speeds() == ["6h/s"]
    late = [status.state for at, status in stage.script.published if at > BEGIN + 23.0]
    assert set(late) == {"running", "finished"}


def test_a_slow_stream_slows_simulated_time_with_a_backlog_of_a_second() -> None:
    stage = Stage(60, SIX_HOURS, ahead_hours=168)  # so that nothing else throttles it
    stage.pipeline.work_s = 0.4  # for a slice of 0.05 s
    stage.script = Recovering(stage.wall, stage.pipeline, after_s=12.0)
    stage.run()
    stage.check_stream()
    stage.check_no_burst(SIX_HOURS.factor, slack_s=1.0 + 0.4 + SLICE_S)
    # About 9 hours were sent in the first 12 seconds; the others do not catch up.
    assert stage.wall.now - BEGIN > 12.0 + (60 - 9) / 6 - 1.5
    states = stage.script.states()
    assert "throttled" in states
    assert states[-2:] == ["running", "finished"]
