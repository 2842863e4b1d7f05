import numpy as np
import pytest

from dataflows.forecasting.similar_days import DAYS, SimilarDays
from dataflows.forecasting.subspace import Subspace


def weights_after(root_counts: np.ndarray) -> np.ndarray:
    similar = SimilarDays()
    for i in range(len(root_counts)):
        similar.append(root_counts[: i + 1])
    return similar.weights()


def test_there_is_no_similar_day_before_three_hours_of_the_second() -> None:
    root_counts = np.random.default_rng(1).uniform(0, 5, (27, 4))
    assert len(weights_after(root_counts[:26])) == 0
    assert weights_after(root_counts).tolist() == [1.0]


def test_the_most_similar_day_has_the_largest_weight() -> None:
    root_counts = np.random.default_rng(1).uniform(0, 5, (24 * 10, 30))
    today = root_counts[-3:]
    root_counts[-3 - 24 * 4 : -24 * 4] = today  # identical to today, four days ago
    weights = weights_after(root_counts)
    assert len(weights) == 9
    assert weights.sum() == pytest.approx(1.0)
    assert weights.argmax() == 3
    assert weights[3] > 0.99


def test_of_similar_days_the_later_has_the_larger_weight() -> None:
    weights = weights_after(np.ones((24 * 40, 3)))
    assert len(weights) == DAYS
    assert weights[21] / weights[0] == pytest.approx(0.5)
    assert (np.diff(weights) < 0).all()


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
