"""The expected number of rides: unbiased at every size of demand, learned from the past alone."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dataflows.forecasting.calibrated_mean import CalibratedMean
from dataflows.forecasting.history.usual_rides import UsualRides
from rushhour.core.arrays import Floats
from rushhour.core.zones import ZONE_COUNT

HOURS = 600
RATES = np.geomspace(0.02, 300, ZONE_COUNT)


def medians_of(rates: Floats) -> Floats:
    """Far below the mean where rides are rare, as the square of a mean root is."""
    return np.where(rates < 20, rates**2 / (rates + 1), rates)


def test_before_the_first_hour_the_mean_is_the_median() -> None:
    median = np.linspace(0, 50, ZONE_COUNT)
    assert CalibratedMean().predict(median, np.zeros(ZONE_COUNT)).tolist() == median.tolist()


def test_sums_of_means_are_sums_of_rides_at_every_size_of_demand() -> None:
    draw = np.random.default_rng(3)
    calibrated, usual = CalibratedMean(), UsualRides()
    expected, counted = [], []
    for hour in range(HOURS):
        # The level of the city moves, and with it the medians.
        rates = RATES * (1.2 + np.sin(hour / 4))
        rides, median = draw.poisson(rates), medians_of(rates)
        if hour >= HOURS // 2:
            expected.append(calibrated.predict(median, usual.mean()))
            counted.append(rides)
        calibrated.update(rides, median, usual.mean())
        usual.append(rides)
    means, rides = np.array(expected), np.array(counted)
    for low, high in ((0.1, 1), (1, 5), (5, 20), (20, 100), (100, 1e9)):
        inside = (means >= low) & (means < high)
        assert means[inside].sum() == pytest.approx(rides[inside].sum(), rel=0.05), low


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 2**32 - 1), st.sampled_from([0.0, 1.0, 1e6, 1e12]))
def test_a_mean_is_a_number_and_never_negative(seed: int, size: float) -> None:
    draw = np.random.default_rng(seed)
    calibrated = CalibratedMean()
    for _ in range(20):
        median = draw.random(ZONE_COUNT) * size
        usual = draw.random(ZONE_COUNT) * 9
        mean = calibrated.predict(median, usual)
        assert (mean >= 0).all()
        assert np.isfinite(mean).all()
        calibrated.update(draw.poisson(3, ZONE_COUNT), median, usual)


def test_an_hour_in_which_a_model_goes_astray_is_not_learned() -> None:
    found = []
    for astray in (False, True):
        draw = np.random.default_rng(5)
        calibrated = CalibratedMean()
        usual = RATES
        for _ in range(50):
            usual = RATES * draw.uniform(0.5, 2.0, ZONE_COUNT)  # says less than the median
            calibrated.update(draw.poisson(RATES), RATES, usual)
        if astray:
            calibrated.update(draw.poisson(RATES), np.full(ZONE_COUNT, 1e9), usual)
        found.append(calibrated.predict(RATES, usual))
    assert found[1] == pytest.approx(found[0], rel=0.02)


def test_without_rides_nothing_is_usual() -> None:
    usual = UsualRides()
    assert not usual.mean().any()
    usual.append(np.zeros(ZONE_COUNT, np.int64))
    assert not usual.mean(5).any()


def test_usual_rides_follow_the_hour_of_the_day() -> None:
    usual = UsualRides()
    for hour in range(24 * 30):
        usual.append(np.full(ZONE_COUNT, 10 + hour % 24))
    for ahead in (1, 2, 24, 25):
        hour = (24 * 30 + ahead - 1) % 24
        np.testing.assert_allclose(usual.mean(ahead), 10 + hour, rtol=1e-9)


def test_the_hours_of_a_quiet_zone_are_told_apart_by_those_of_the_city() -> None:
    """One ride in all: expected at the hours at which the city has its rides."""
    usual = UsualRides()
    for hour in range(24 * 3):
        rides = np.full(ZONE_COUNT, 30 if hour % 24 in {8, 9} else 0)
        rides[0] = hour == 9
        usual.append(rides)
    at_eight, at_noon = usual.mean(9)[0], usual.mean(13)[0]
    assert 0.05 < at_eight < 0.5
    assert at_noon == 0.0
