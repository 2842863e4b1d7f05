import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from river.drift.page_hinkley import PageHinkley

from dataflows.forecasting.page_hinkley import PageHinkleyMany

SERIES = 5


@given(
    seed=st.integers(0, 2**32 - 1),
    shift=st.floats(-3.0, 3.0),
    delta=st.sampled_from([0.0, 0.1, 0.5]),
    threshold=st.sampled_from([0.0, 2.0, 8.0]),
)
def test_it_fires_when_detectors_of_river_do(
    seed: int, shift: float, delta: float, threshold: float
) -> None:
    values = np.random.default_rng(seed).normal(size=(200, SERIES))
    values[100:, ::2] += shift
    values[:, 1] = np.clip(np.round(values[:, 1]), -1.0, 1.0)  # sums that meet the bounds exactly
    twins = [PageHinkley(delta=delta, threshold=threshold, alpha=1.0) for _ in range(SERIES)]
    many = PageHinkleyMany(SERIES, delta=delta, threshold=threshold)
    for row in values:
        for twin, value in zip(twins, row.tolist(), strict=True):
            twin.update(value)  # type: ignore[no-untyped-call]
        fired = many.update(row)
        assert fired.tolist() == [twin.drift_detected for twin in twins]
        for i, twin in enumerate(twins):
            if not fired[i]:  # River starts over with the next value only
                assert many._mean[i] == twin._x_mean.get()
                assert many._increase[i] == twin._sum_increase
                assert many._decrease[i] == twin._sum_decrease


@pytest.mark.parametrize("threshold", [2.0, 8.0])
def test_a_detector_that_has_fired_is_silent_until_it_has_seen_thirty_values(
    threshold: float,
) -> None:
    many = PageHinkleyMany(1, delta=0.0, threshold=threshold)
    values = np.random.default_rng(3).normal(size=400) + np.repeat(np.arange(4) * 4.0, 100)
    hours = np.flatnonzero([many.update(np.array([value]))[0] for value in values])
    assert len(hours) > 1
    assert hours[0] >= 29
    assert np.diff(hours).min() >= 30
