import re

import numpy as np
import pytest

from dataflows.forecasting.features import (
    HOUR_OF_DAY,
    MODEL_FEATURES,
    SEASONAL_MEAN,
    Features,
)
from dataflows.forecasting.forecasters import baselines, learners, model_names
from dataflows.forecasting.forecasters.base import RootCountRegression
from dataflows.forecasting.forecasters.city_regression import CityRegression
from dataflows.forecasting.forecasters.hour_regression import HourRegression
from dataflows.forecasting.forecasters.repeat import Repeat
from dataflows.forecasting.forecasters.zone_regression import ZoneRegression
from rushhour.core.arrays import Counts, Floats
from rushhour.core.models import REFERENCE, SERVED
from rushhour.core.zones import ZONE_COUNT


def features(seed: int = 1, **columns: float | Floats) -> Features:
    """Features of an hour: random, except for those given."""
    names = dict.fromkeys([*MODEL_FEATURES, HOUR_OF_DAY])
    random = np.random.default_rng(seed).uniform(0, 10, (ZONE_COUNT, len(names)))
    x = Features(dict(zip(names, random.T, strict=True)))
    return changed(x, **{"constant": 1.0, HOUR_OF_DAY: 8.0} | columns)


def changed(x: Features, **columns: float | Floats) -> Features:
    """Features of which some are replaced."""
    new = {name: np.broadcast_to(value, ZONE_COUNT) for name, value in columns.items()}
    return Features({**x, **new})


def counts(root_counts: Floats) -> Counts:
    return np.round(np.square(root_counts)).astype(np.int64)


def test_the_served_model_comes_first_and_every_name_is_fit_for_a_key() -> None:
    names = model_names()
    assert names[0] == SERVED
    assert len(set(names)) == len(names)
    assert REFERENCE in names
    assert all(re.fullmatch(r"[a-z][a-z_]*", name) for name in names)
    assert names[1:] == tuple(model.name for model in (*learners(), *baselines()))


def test_every_call_gives_fresh_forecasters() -> None:
    one, other = learners(), learners()
    assert not {id(model) for model in one} & {id(model) for model in other}
    assert vars(one[2])["_city"] is one[0]


def test_a_regression_that_learns_a_rule_predicts_by_it() -> None:
    forecasters = learners()
    for seed in range(200):
        x = features(seed)
        for forecaster in forecasters:
            forecaster.learn_many(x, counts(2 + 2 * x["lag_1"]))
    x = features(99)
    expected = np.square(2 + 2 * x["lag_1"])
    for forecaster in forecasters:
        error = np.abs(forecaster.predict_many(x) - expected)
        assert error.mean() < 0.06 * expected.mean(), forecaster.name


def test_a_negative_root_count_is_no_ride() -> None:
    forecasters = learners()
    for seed in range(60):
        x = features(seed)
        for forecaster in forecasters:
            forecaster.learn_many(x, counts(np.maximum(3 - x["lag_1"], 0)))
    for forecaster in forecasters:
        assert (forecaster.predict_many(features(99, lag_1=50.0)) == 0).all(), forecaster.name


def test_the_zones_learn_residuals_of_predictions_made_before_the_city_learned_the_hour() -> None:
    city = CityRegression()
    zones = ZoneRegression(city)
    rides = counts(np.full(ZONE_COUNT, 4.0))
    x = features(1)
    for _ in range(2):
        before = city.predict_root_counts(x)
        city.learn_many(x, rides)
        zones.learn_many(x, rides)
        assert np.array_equal(city.residual, 4.0 - before)
    own = x.matrix(MODEL_FEATURES)[0]
    gram = (1 + 0.995) * np.outer(own, own) + 60.0 * np.eye(len(own))
    first, second = 4.0, city.residual[0]  # the first prediction was 0
    correction = own @ np.linalg.solve(gram, own * (0.995 * first + second))
    expected = np.square(city.predict_root_counts(x)[0] + correction)
    assert zones.predict_many(x)[0] == pytest.approx(expected)


def test_the_zones_refuse_an_hour_that_the_city_has_not_learned() -> None:
    city = CityRegression()
    zones = ZoneRegression(city)
    rides = np.ones(ZONE_COUNT, np.int64)
    with pytest.raises(RuntimeError, match="before the zones"):
        zones.learn_many(features(), rides)


def test_a_regression_stays_well_conditioned_without_any_ride() -> None:
    # Regression: River forgets its prior, and then inverts a matrix of zeros.
    regression = RootCountRegression(0.8)
    x = changed(features(), **dict.fromkeys(MODEL_FEATURES[1:], 0.0))
    for _ in range(200):  # by then 0.8^200, a part in 10^19, of the first prior is left
        regression = regression.learned(x, np.zeros(ZONE_COUNT, np.int64))
    precision = regression._model._ss_arr
    assert np.linalg.cond(precision) < 1e7
    assert regression.predict_many(x) == pytest.approx(0.0, abs=1e-9)


def test_a_busy_zone_weighs_more_than_a_quiet_one() -> None:
    busy = np.arange(ZONE_COUNT) < ZONE_COUNT // 2
    regression = RootCountRegression(0.95)
    for seed in range(60):  # rides grow with the last hour in busy zones and shrink in quiet ones
        x = features(seed, **{SEASONAL_MEAN: np.where(busy, 20.0, 5.0)})
        step = np.where(busy, 1, -1) * x["lag_1"]
        regression = regression.learned(x, counts(x[SEASONAL_MEAN] + step))
    low, high = (
        regression.predict_many(features(99, lag_1=lag, **{SEASONAL_MEAN: 10.0}))
        for lag in (0.0, 10.0)
    )
    assert (high - low > 2).all()  # with equal weights it would be about 0


def test_each_two_hours_of_the_day_are_learned_separately() -> None:
    forecaster = HourRegression()
    for seed in range(60):
        x = features(seed)
        forecaster.learn_many(changed(x, **{HOUR_OF_DAY: 8.0}), np.full(ZONE_COUNT, 100))
        forecaster.learn_many(changed(x, **{HOUR_OF_DAY: 10.0}), np.full(ZONE_COUNT, 400))
    for hour, rides in ((8, 100), (9, 100), (10, 400), (11, 400)):
        predicted = forecaster.predict_many(features(99, **{HOUR_OF_DAY: float(hour)}))
        assert predicted == pytest.approx(rides, rel=0.2)
    assert (forecaster.predict_many(features(99, **{HOUR_OF_DAY: 12.0})) == 0).all()


def test_a_zone_unlike_all_others_is_corrected() -> None:
    odd = np.arange(ZONE_COUNT) == 131  # it does the opposite of all others
    city = CityRegression()
    zones = ZoneRegression(city)
    for seed in range(300):
        x = features(seed)
        step = np.where(odd, -1, 1) * x["expected_step"]
        rides = counts(10 + step)
        city.learn_many(x, rides)
        zones.learn_many(x, rides)
    x = features(999)
    step = np.where(odd, -1, 1) * x["expected_step"]
    expected = np.square(10 + step)
    off_city = np.abs(city.predict_many(x) - expected)
    off_zones = np.abs(zones.predict_many(x) - expected)
    assert off_zones[131] < off_city[131] / 5
    assert off_zones[~odd].mean() < 1.5 * off_city[~odd].mean() + 1


def test_a_baseline_repeats_its_column_and_learns_nothing() -> None:
    baseline = Repeat("again", "lag_1")
    x = features()
    baseline.learn_many(x, np.full(ZONE_COUNT, 7))
    assert baseline.name == "again"
    assert np.array_equal(baseline.predict_many(x), x["lag_1"])
