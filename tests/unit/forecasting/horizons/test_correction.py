import numpy as np
import pytest

from dataflows.forecasting.features import Features
from dataflows.forecasting.horizons.correction import (
    CorrectionRegression,
    Shrinkage,
    row_weights,
    usual,
)
from dataflows.forecasting.horizons.features import AHEAD_FEATURES, DAYS_OF_TYPE, WEEKS
from rushhour.core.zones import ZONE_COUNT


def random_features(seed: int) -> Features:
    random = np.random.default_rng(seed)
    return Features({name: random.normal(size=ZONE_COUNT) for name in AHEAD_FEATURES})


def test_a_linear_correction_is_found() -> None:
    regression = CorrectionRegression(0.99)
    truth = np.arange(len(AHEAD_FEATURES)) / 10
    for seed in range(100):
        x = random_features(seed)
        regression.learn_many(x, x.matrix(AHEAD_FEATURES) @ truth)

    x = random_features(1000)
    assert np.allclose(regression.predict_many(x), x.matrix(AHEAD_FEATURES) @ truth, atol=0.2)


def test_it_forgets_what_no_longer_holds() -> None:
    regression = CorrectionRegression(0.9)
    for seed in range(200):
        x = random_features(seed)
        regression.learn_many(x, x["constant"] * (1.0 if seed < 100 else -1.0))

    x = random_features(1000)
    assert np.corrcoef(regression.predict_many(x), x["constant"])[0, 1] < -0.99


def test_before_it_has_learned_it_corrects_nothing() -> None:
    assert (CorrectionRegression(0.9).predict_many(random_features(0)) == 0).all()


@pytest.mark.parametrize(("slope", "factor"), [(0.3, 0.3), (1.7, 1.0), (-1.0, 0.0)])
def test_corrections_are_trusted_as_far_as_they_came_true(slope: float, factor: float) -> None:
    shrinkage = Shrinkage()
    assert shrinkage.factor == 0.5
    random = np.random.default_rng(0)
    for _ in range(50):
        predicted = random.normal(size=ZONE_COUNT)
        shrinkage.update(np.ones(ZONE_COUNT), predicted, slope * predicted)

    assert shrinkage.factor == pytest.approx(factor, abs=0.01)


def test_the_usual_rides_are_those_of_past_weeks_and_of_days_of_the_type() -> None:
    x = Features({WEEKS: np.full(ZONE_COUNT, 4.0), DAYS_OF_TYPE: np.full(ZONE_COUNT, 2.0)})

    assert (usual(x) == 3).all()
    assert row_weights(x) == pytest.approx(4**0.6)
