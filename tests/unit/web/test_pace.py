"""How often frames are sent: closed hours at once, and never more than the limit."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rushhour.simulator.web.live.pace import FRAMES_PER_S, Pace


def test_the_clock_leaves_room_for_an_hour_at_once() -> None:
    pace = Pace(0.0)
    now = 0.0
    for _ in range(20):
        now += pace.clock_in_s(now)
        pace.spend(now)
        assert pace.hour_in_s(now) == pytest.approx(0.0)
    assert now == pytest.approx(19 / FRAMES_PER_S)


@given(st.lists(st.tuples(st.floats(0, 0.5), st.booleans()), max_size=60))
def test_over_any_time_there_are_no_more_frames_than_the_rate_and_the_reserve(
    events: list[tuple[float, bool]],
) -> None:
    pace, now, sent = Pace(0.0), 0.0, []
    for gap, is_hour in events:
        now += gap
        now += pace.hour_in_s(now) if is_hour else pace.clock_in_s(now)
        pace.spend(now)
        sent.append(now)
    for first in range(len(sent)):
        for last in range(first, len(sent)):
            allowed = (sent[last] - sent[first]) * FRAMES_PER_S + 2
            assert last - first + 1 <= allowed + 1e-6
