"""A window that is kept in order has the quantiles of one that is sorted each time."""

import math

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from dataflows.forecasting.score_window import ScoreWindow

HOURS, GROUPS = 5, 3


class SortedEachTime:
    def __init__(self) -> None:
        self._scores: dict[int, list[tuple[int, float]]] = {}

    def replace(self, hour: int, groups: list[int], scores: list[float]) -> None:
        self._scores[hour % HOURS] = list(zip(groups, scores, strict=True))

    def quantiles(self, tail: float, at_least: int) -> list[tuple[float, float]]:
        found = []
        for group in range(GROUPS):
            own = sorted(s for hour in self._scores.values() for g, s in hour if g == group)
            rank = math.floor(tail * (len(own) + 1))
            enough = len(own) >= at_least
            found.append((own[rank - 1], own[-rank]) if enough else (math.nan, math.nan))
        return found


# Few values, so that many are equal: zeros of both signs, neighbours, and any.
values = st.sampled_from([0.0, -0.0, 0.1, 0.1 + 2**-56, -3.5, 1e300]) | st.floats(-1e9, 1e9)
hours = st.tuples(
    st.integers(0, 3 * HOURS),
    st.lists(st.tuples(st.integers(0, GROUPS - 1), values), max_size=60),
)


@given(st.lists(hours, max_size=12), st.sampled_from([(0.05, 19), (0.05, 50), (0.5, 1)]))
def test_the_quantiles_are_those_of_sorted_scores(
    replaced: list[tuple[int, list[tuple[int, float]]]], rule: tuple[float, int]
) -> None:
    window, plain = ScoreWindow(HOURS, GROUPS), SortedEachTime()
    for hour, rows in replaced:
        groups, scores = [group for group, _ in rows], [score for _, score in rows]
        window.replace(hour, np.array(groups, np.int64), np.array(scores))
        plain.replace(hour, groups, scores)
        expected = np.array(plain.quantiles(*rule)).T
        assert np.array_equal(np.array(window.quantiles(*rule)), expected, equal_nan=True)
