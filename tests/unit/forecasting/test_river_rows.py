"""Learning from arrays and from data frames gives the same digits."""

import copy

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from river.linear_model.bayesian_lin_reg import BayesianLinearRegression

from dataflows.forecasting.river_rows import coefficients, learn_rows

NAMES = tuple("abcdefg")


@given(
    seed=st.integers(0, 2**32 - 1),
    batches=st.lists(st.integers(1, 300), max_size=4),
    smoothing=st.sampled_from([None, 0.999, 0.9]),
    power=st.integers(-3, 6),
)
def test_a_regression_learns_and_predicts_arrays_as_it_does_frames(
    seed: int, batches: list[int], smoothing: float | None, power: int
) -> None:
    random = np.random.default_rng(seed)
    with_arrays = BayesianLinearRegression(smoothing=smoothing)
    with_frames = copy.deepcopy(with_arrays)
    for count in batches:
        rows = np.asfortranarray(random.normal(size=(count, len(NAMES))) * 10.0**power)
        y = random.normal(size=count) * 10.0**power
        learn_rows(with_arrays, NAMES, rows, y)
        with_frames.learn_many(frame(rows), pd.Series(y))
    rows = np.asfortranarray(random.normal(size=(265, len(NAMES))))
    predicted = np.asarray(with_frames.predict_many(frame(rows)))
    assert np.array_equal(rows @ coefficients(with_arrays, NAMES), predicted)


def frame(rows: np.ndarray) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=list(NAMES))


def test_columns_go_by_their_names() -> None:
    one, other = BayesianLinearRegression(), BayesianLinearRegression()
    rows = np.random.default_rng(1).normal(size=(50, 2))
    y = rows @ [3.0, -2.0]
    learn_rows(one, "ab", rows, y)
    learn_rows(other, "ba", rows[:, ::-1], y)
    assert coefficients(one, "ab") == pytest.approx([3.0, -2.0], abs=0.3)
    assert coefficients(other, "ab") == pytest.approx(coefficients(one, "ab"))
    assert coefficients(one, "abc")[2] == 0.0
