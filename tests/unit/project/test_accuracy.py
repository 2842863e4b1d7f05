"""The comparison of benchmarks/accuracy.py: no learner uses an hour before it is over."""

import sys
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.accuracy import (
    LAGS,
    Boosting,
    Floats,
    alone,
    boosted,
    common_features,
    expected,
    lagged,
    mean_before,
    mean_of_weeks,
    own_features,
)
from dataflows.forecasting.forecasters import learners
from rushhour.core.hours import parse_from
from rushhour.core.models import DECIMALS
from rushhour.core.zones import ZONE_COUNT
from rushhour.simulator.evaluation.offline import replay
from tests.fixtures.examples import few_examples

START = parse_from("2024-10-01")
WEEK = 168


def made_up(hours: int, seed: int) -> Floats:
    return np.random.default_rng(seed).poisson(20.0, (hours, ZONE_COUNT)).astype(np.float64)


def changed_from(rides: Floats, hour: int) -> Floats:
    return np.concatenate((rides[:hour], rides[hour:] + 7.0))


@pytest.mark.parametrize(
    ("features", "hours"), [(common_features, 400), (own_features, 60)], ids=("common", "own")
)
@few_examples(15)
@given(seed=st.integers(0, 2**32 - 1), data=st.data())
def test_features_depend_on_earlier_hours_only(
    features: Any, hours: int, seed: int, data: st.DataObject
) -> None:
    hour = data.draw(st.integers(1, hours - 1))
    rides = made_up(hours, seed)
    before = features(START, rides)
    after = features(START, changed_from(rides, hour))
    np.testing.assert_array_equal(after[: hour + 1], before[: hour + 1])
    if hour < hours - 1:  # else no feature could tell
        assert not np.array_equal(after[hour + 1], before[hour + 1], equal_nan=True)


def test_learners_are_independent() -> None:
    rides = made_up(30, 1).astype(np.int64)
    together = replay(START, rides).forecast.by_model
    for learner in learners():
        predicted = np.round(alone(START, rides, learner.name), DECIMALS)
        np.testing.assert_array_equal(predicted, together[learner.name])


@few_examples(15)
@given(seed=st.integers(0, 2**32 - 1), hour=st.integers(1, 399))
def test_the_weight_of_a_row_is_known_before_its_hour(seed: int, hour: int) -> None:
    rides = made_up(400, seed)
    after = expected(changed_from(rides, hour))
    np.testing.assert_array_equal(after[: hour + 1], expected(rides)[: hour + 1])


@few_examples(25)
@given(st.integers(0, 2**32 - 1), st.integers(1, 2 * WEEK + 9), st.integers(0, ZONE_COUNT - 1))
def test_features_match_their_names(seed: int, hour: int, column: int) -> None:
    rides = made_up(2 * WEEK + 10, seed)
    for lag in LAGS:
        found = lagged(rides, lag)[hour, column]
        assert found == rides[hour - lag, column] if hour >= lag else np.isnan(found)
    recent = rides[max(hour - 24, 0) : hour, column]
    assert mean_before(rides, 24)[hour, column] == pytest.approx(recent.mean())
    weeks = [rides[then, column] for then in (hour - WEEK, hour - 2 * WEEK) if then >= 0]
    found = mean_of_weeks(rides)[hour, column]
    assert found == pytest.approx(np.mean(weeks)) if weeks else np.isnan(found)


def test_the_last_features_are_hour_day_and_zone() -> None:
    x = common_features(START, made_up(30, 1))
    assert x.shape[:2] == (30, ZONE_COUNT)
    assert x[26, 131, -3:].tolist() == [2.0, 2.0, 131.0]  # Wednesday 2024-10-02, 02:00


class Parrot:
    """Stands in for LightGBM: predicts the maximum of its training data plus the lag of an hour."""

    def __init__(self) -> None:
        self.fits: list[int] = []

    def module(self) -> SimpleNamespace:
        return SimpleNamespace(Dataset=self.dataset, train=self.train)

    def dataset(self, x: Floats, target: Floats, **_: Any) -> Floats:
        assert len(x) == len(target)
        self.fits.append(len(target) // ZONE_COUNT)
        return target

    def train(self, _parameters: Any, target: Floats, _trees: int) -> SimpleNamespace:
        return SimpleNamespace(predict=lambda x, **_: target.max() + x[:, 0])


@pytest.mark.parametrize("roots", [False, True])
@pytest.mark.parametrize("hour", [25, 47, 48, 70])
def test_lightgbm_is_fitted_each_midnight_on_hours_before(
    monkeypatch: pytest.MonkeyPatch, hour: int, roots: bool
) -> None:
    parrot = Parrot()
    monkeypatch.setitem(sys.modules, "lightgbm", parrot.module())
    rides = made_up(72, 3)
    predicted = boosted(START, rides, Boosting(roots=roots), threads=1)
    before = predicted.median
    # Once for each number that it predicts.
    assert parrot.fits == [24, 48] * (1 if roots else 4)
    assert np.isnan(predicted.lower).all() == roots
    assert np.isnan(before[:24]).all() and not np.isnan(before[24:]).any()
    after = boosted(START, changed_from(rides, hour), Boosting(roots=roots), threads=1).median
    np.testing.assert_array_equal(after[: hour + 1], before[: hour + 1])
    assert not np.array_equal(after[hour + 1], before[hour + 1])
