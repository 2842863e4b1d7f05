"""A replay with gates: nothing of an hour is sent before the hour before it is acknowledged."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from producers.pacing.gate import Gate
from rushhour.core.gate import Acknowledgement
from rushhour.core.hours import HOUR_MS
from rushhour.core.speed import MAX, Speed
from tests.fixtures.replay import BEGIN, START, Stage, Stuck

SIX_HOURS = Speed(21_600.0)
NAMES = ("features", "inference")
SLICE_S = 0.05  # what is left of a slice when an acknowledgement comes is not waited again


def gated(hours: int, speed: Speed, close_s: float = 0.0) -> Stage:
    stage = Stage(hours, speed)
    stage.pipeline.close_s = close_s
    stage.script.gate = Gate(START - HOUR_MS, NAMES, START, None, lambda: int(stage.wall.now))
    return stage


def acknowledge(stage: Stage, at: float, name: str, hour: int) -> None:
    entry_id = f"{len(stage.script.acks) + 1}-0"
    ack = Acknowledgement(name, START + hour * HOUR_MS)
    stage.script.acks.append((BEGIN + at, entry_id, ack))


@given(
    st.sampled_from([MAX, SIX_HOURS, Speed(777_777.0)]),
    st.lists(st.floats(0.0, 2.0), min_size=4, max_size=4),
    st.floats(0.0, 1.0),
)
def test_no_trip_passes_an_hour_before_everyone_has_acknowledged_it(
    speed: Speed, pauses: list[float], close_s: float
) -> None:
    stage = gated(4, speed, close_s)
    at, passes = 0.0, {}
    for hour, pause in enumerate(pauses):
        at += 2.0 + pause  # an hour is sent and closed in less than that
        acknowledge(stage, at, "features", hour)
        at += pause
        acknowledge(stage, at, "inference", hour)
        passes[hour] = BEGIN + at
    stage.run()
    stage.check_stream()
    for when, seq in stage.pipeline.sent:
        hour = (int(stage.table.pickup_ts[seq]) - START) // HOUR_MS
        assert hour == 0 or when >= passes[hour - 1]
    assert stage.wall.now >= passes[3]  # the last hour is acknowledged as well


def test_the_clock_stands_at_the_start_of_the_next_hour_and_goes_on_at_its_speed() -> None:
    stage = gated(4, SIX_HOURS)
    for hour in range(4):
        for name in NAMES:
            acknowledge(stage, 5.0 * (hour + 1), name, hour)
    stage.run()
    stage.check_stream()
    ticks = [0.0, *(5.0 * hour + 1 / 6 for hour in range(4))]
    assert stage.tick_times() == pytest.approx(ticks, abs=SLICE_S + 1e-3)
    stage.check_no_burst(SIX_HOURS.factor, slack_s=SLICE_S + 1e-3)
    waiting = {status.now_ts for _, status in stage.script.published if status.state == "waiting"}
    assert waiting == {START + hour * HOUR_MS for hour in (1, 2, 3, 4)}
    assert stage.script.states()[-2:] == ["waiting", "finished"]


def test_an_acknowledgement_within_a_slice_costs_no_time() -> None:
    stage = gated(24, SIX_HOURS)
    for hour in range(24):
        for name in NAMES:
            acknowledge(stage, (hour + 1) / 6 + 0.02, name, hour)
    stage.run()
    assert stage.wall.now - BEGIN == pytest.approx(24 / 6 + 0.02, abs=1e-2)


@pytest.mark.parametrize("speed", [MAX, SIX_HOURS], ids=str)
def test_a_gate_that_never_answers_holds_the_clock_with_a_status(speed: Speed) -> None:
    stage = gated(6, speed)
    acknowledge(stage, 0.5, "features", 0)
    stage.script.time_limit = BEGIN + 60.0
    with pytest.raises(Stuck):
        stage.run()
    assert len(stage.pipeline.sent) == 60  # one hour
    at, last = stage.script.published[-1]
    assert (last.state, last.now_ts) == ("waiting", START + HOUR_MS)
    assert at > BEGIN + 59.0  # still publishing
    assert stage.script.gate.status.awaited == ("inference",)


def test_an_hour_that_is_not_closed_is_not_what_gates_are_awaited_for() -> None:
    stage = gated(6, SIX_HOURS, close_s=float("inf"))
    stage.script.time_limit = BEGIN + 30.0
    with pytest.raises(Stuck):
        stage.run()
    assert len(stage.pipeline.sent) == 60
    assert "waiting" not in stage.script.states()


def test_a_pause_outlasts_the_acknowledgement() -> None:
    stage = gated(2, SIX_HOURS)
    for name in NAMES:
        acknowledge(stage, 3.0, name, 0)
        acknowledge(stage, 9.0, name, 1)
    stage.command(1.0, "pause")
    stage.command(6.0, "resume")
    stage.run()
    stage.check_stream()
    states = ["running", "waiting", "paused", "running", "waiting", "finished"]
    assert stage.script.states() == states
    assert not [at for at, seq in stage.pipeline.sent if seq >= 60 and at < BEGIN + 6.0]


def test_a_step_passes_one_hour_once_it_is_acknowledged() -> None:
    stage = gated(4, SIX_HOURS)
    stage.command(0.01, "pause")
    stage.command(1.0, "step", "1h")
    for name in NAMES:
        acknowledge(stage, 3.0, name, 0)
    stage.command(5.0, "step", "1h")
    stage.command(6.0, "step", "1h")
    stage.script.time_limit = BEGIN + 20.0
    with pytest.raises(Stuck):
        stage.run()
    assert [ts for _, ts, _ in stage.pipeline.ticks] == [START + n * HOUR_MS for n in range(3)]
    assert len(stage.pipeline.sent) == 120
    assert stage.script.published[-1][1].state == "waiting"  # for the second hour


def test_a_run_that_waits_for_the_last_hour_can_be_stopped() -> None:
    stage = gated(1, SIX_HOURS)
    stage.command(5.0, "stop")
    stage.run()
    assert stage.script.states()[-1] == "stopped"
    assert stage.wall.now - BEGIN == pytest.approx(5.0, abs=0.2)


def test_after_a_restart_the_clock_waits_where_it_stood() -> None:
    stage = Stage(6, SIX_HOURS)
    resume_at = START + 2 * HOUR_MS
    stage.script.gate = Gate(resume_at - HOUR_MS, NAMES, START)
    for hour in range(1, 6):
        for name in NAMES:
            acknowledge(stage, 4.0 * hour, name, hour)
    stage.run(resume_at)
    assert min(at for at, _ in stage.pipeline.sent) >= BEGIN + 4.0
    assert [seq for _, seq in stage.pipeline.sent] == list(range(2 * 60, 6 * 60))
