import numpy as np
import pytest

from dataflows.forecasting.history.similar_days import DAYS, SimilarDays
from dataflows.forecasting.history.subspace import Subspace
from rushhour.core.zones import ZONE_COUNT


def weights_after(root_counts: np.ndarray) -> np.ndarray:
    similar = SimilarDays()
    for i in range(len(root_counts)):
        similar.append(root_counts[: i + 1])
    return similar.weights()


def test_there_is_no_similar_day_before_three_hours_of_the_second() -> None:
    root_counts = np.random.default_rng(1).uniform(0, 5, (27, ZONE_COUNT))
    assert len(weights_after(root_counts[:26])) == 0
    assert weights_after(root_counts).tolist() == [[1.0] * ZONE_COUNT]


def test_the_most_similar_day_has_the_largest_weight_in_all_zones() -> None:
    root_counts = np.random.default_rng(1).uniform(0, 5, (24 * 10, ZONE_COUNT))
    root_counts[-3 - 24 * 4 : -24 * 4] = root_counts[-3:]  # four days ago
    weights = weights_after(root_counts)
    assert weights.shape == (9, ZONE_COUNT)
    assert weights.sum(axis=0) == pytest.approx(1.0)
    assert (weights.argmax(axis=0) == 3).all()
    assert (weights[3] > 0.99).all()


def test_of_days_that_are_alike_in_the_city_a_zone_prefers_those_alike_in_itself() -> None:
    root_counts = np.ones((24 * 10, ZONE_COUNT))
    root_counts[-3:, 0] = root_counts[-3 - 24 * 4 : -24 * 4, 0] = 4.0
    weights = weights_after(root_counts)
    assert weights[3, 0] > 0.99
    assert (weights[3, 1:] < 0.2).all()  # the others hardly notice


def test_of_similar_days_the_later_has_the_larger_weight() -> None:
    weights = weights_after(np.ones((24 * 40, ZONE_COUNT)))
    assert len(weights) == DAYS
    assert weights[21] / weights[0] == pytest.approx(0.5)
    assert (np.diff(weights, axis=0) < 0).all()


def test_smoothing_keeps_the_common_pattern_and_removes_noise() -> None:
    random = np.random.default_rng(2)
    pattern = random.uniform(1, 5, 40)
    rows = random.uniform(0.5, 2, (200, 1)) * pattern + random.normal(0, 0.1, (200, 40))
    subspace = Subspace(1)
    noisy = pattern + random.normal(0, 1, 40)
    assert np.array_equal(subspace.smooth(noisy), noisy)  # not fitted yet
    subspace.fit(rows)
    assert subspace.smooth(pattern) == pytest.approx(pattern, abs=0.05)
    off = np.linalg.norm(subspace.smooth(noisy) - pattern)
    assert off < np.linalg.norm(noisy - pattern) / 3


def test_smoothing_twice_changes_nothing() -> None:
    random = np.random.default_rng(3)
    subspace = Subspace(5)
    subspace.fit(random.uniform(0, 3, (100, 20)))
    once = subspace.smooth(random.uniform(0, 3, 20))
    assert subspace.smooth(once) == pytest.approx(once)


def test_shrinking_keeps_strong_patterns_and_removes_most_of_the_noise() -> None:
    random = np.random.default_rng(4)
    pattern = random.uniform(5, 9, 40)
    noise = random.normal(0, 0.5, 40)
    noise -= pattern * (noise @ pattern) / (pattern @ pattern)
    subspace = Subspace(1)
    assert np.array_equal(subspace.shrink(noise), noise)  # not fitted yet
    strength = random.uniform(0.5, 2, (2000, 1))
    subspace.fit(strength * pattern + random.normal(0, 0.5, (2000, 40)))
    assert subspace.shrink(pattern) == pytest.approx(pattern, rel=1e-2)
    # The variance of the noise is 1/4, of which 0.25 / (0.25 + 0.3) is kept.
    assert np.linalg.norm(subspace.shrink(noise)) == pytest.approx(
        np.linalg.norm(noise) * 0.25 / 0.55, rel=0.1
    )
