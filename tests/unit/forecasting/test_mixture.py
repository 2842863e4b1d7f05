import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dataflows.forecasting.mixture import Mixture
from rushhour.core.zones import ZONE_COUNT


def test_before_any_hour_all_forecasts_weigh_the_same() -> None:
    mixture = Mixture(4)
    assert (mixture.weights() == 0.25).all()
    forecasts = np.repeat([[1.0], [2.0], [3.0], [6.0]], ZONE_COUNT, axis=1)
    assert mixture.predict(forecasts) == pytest.approx(3.0)


def test_the_weights_of_a_zone_depend_on_its_own_losses() -> None:
    mixture = Mixture(2)
    low, high = np.full(ZONE_COUNT, 10.0), np.full(ZONE_COUNT, 20.0)
    rides = np.where(np.arange(ZONE_COUNT) % 2, 10, 20)
    for _ in range(20):
        mixture.update(rides, np.stack((low, high)))
    assert mixture.predict(np.stack((low, high))) == pytest.approx(rides, abs=0.01)


def test_one_that_is_a_tenth_worse_weighs_three_fifths() -> None:
    mixture = Mixture(2)
    forecasts = np.stack((np.full(ZONE_COUNT, 10.0), np.full(ZONE_COUNT, 11.0)))
    mixture.update(np.zeros(ZONE_COUNT, np.int64), forecasts)
    first, second = mixture.weights()[:, 0]
    assert second / first == pytest.approx(np.exp(-5 * 1 / 10.5))


def test_old_losses_are_forgotten() -> None:
    mixture = Mixture(2)
    forecasts = np.stack((np.full(ZONE_COUNT, 0.0), np.full(ZONE_COUNT, 5.0)))
    for _ in range(50):
        mixture.update(np.zeros(ZONE_COUNT, np.int64), forecasts)
    assert mixture.predict(forecasts)[0] < 0.1
    for _ in range(400):
        mixture.update(np.full(ZONE_COUNT, 5), forecasts)
    assert mixture.predict(forecasts)[0] > 4.9


@given(st.integers(0, 2**32 - 1), st.integers(1, 5), st.integers(0, 20))
def test_a_mixture_lies_between_its_forecasts(seed: int, count: int, hours: int) -> None:
    random = np.random.default_rng(seed)
    mixture = Mixture(count)
    for _ in range(hours):
        forecasts = random.gamma(0.3, 20, (count, ZONE_COUNT))
        mixture.update(random.poisson(3, ZONE_COUNT), forecasts)
    weights = mixture.weights()
    assert (weights >= 0).all()
    assert weights.sum(axis=0) == pytest.approx(1.0)
    forecasts = random.gamma(0.3, 20, (count, ZONE_COUNT))
    mixed = mixture.predict(forecasts)
    assert (mixed >= forecasts.min(axis=0) - 1e-9).all()
    assert (mixed <= forecasts.max(axis=0) + 1e-9).all()


def test_without_losses_all_weights_are_equal() -> None:
    mixture = Mixture(3)
    mixture.update(np.zeros(ZONE_COUNT, np.int64), np.zeros((3, ZONE_COUNT)))
    assert mixture.weights() == pytest.approx(1 / 3)
