"""MAE, RMSE, WAPE, bias, deviance and skill against numbers worked out by hand."""

from math import log, sqrt

import numpy as np
import pytest

from rushhour.scoring.errors import ErrorSums

NAN = float("nan")
RIDES = np.array([2, 4, 0, 10])


def sums(predicted: list[float], reference: list[float]) -> ErrorSums:
    return ErrorSums.of(RIDES, np.array(predicted), np.array(predicted), np.array(reference))


def test_every_score_is_what_its_definition_says() -> None:
    # Errors +1, -2, 0, +4; of the reference -, -4, 2, -.
    found = sums([3, 2, 0, 14], [NAN, 0, 2, NAN]).sum()
    assert found.pairs == 4
    assert found.mae == 7 / 4
    assert found.rmse == sqrt(21 / 4)
    assert found.bias == 3 / 4
    assert found.wape(np.array(16)) == 7 / 16
    assert found.skill == 1 - 2 / 6  # over the two pairs that both have: 2 + 0 against 4 + 2


def test_the_mean_is_judged_by_its_scores_and_the_median_by_its_own() -> None:
    median, mean = np.array([3.0, 2, 0, 14]), np.array([4.0, 4, 0.5, 5])
    found = ErrorSums.of(RIDES, median, mean, np.array([NAN, 0, 2, NAN])).sum()
    assert found.mae == 7 / 4
    assert found.skill == 1 - 2 / 6
    assert found.wape(np.array(16)) == 7 / 16
    assert found.rmse == sqrt((4 + 0 + 0.25 + 25) / 4)
    assert found.bias == (2 + 0 + 0.5 - 5) / 4
    # 2 (y ln(y / m) - y + m) of each pair.
    assert found.deviance * 4 == pytest.approx(
        2 * (2 * log(1 / 2) + 2) + 0 + 2 * 0.5 + 2 * (10 * log(2) - 5)
    )


def test_a_mean_of_zero_has_a_finite_deviance() -> None:
    found = ErrorSums.of(np.array([3.0, 0.0]), np.zeros(2), np.zeros(2)).deviance
    assert found.tolist() == pytest.approx([2 * (3 * log(3 / 0.0001) - 3 + 0.0001), 0.0002])


def test_without_a_reference_there_is_no_skill() -> None:
    assert np.isnan(ErrorSums.of(RIDES, RIDES + 1.0, RIDES + 1.0).sum().skill)


def test_only_pairs_with_a_prediction_count() -> None:
    found = sums([NAN, NAN, 1, 13], [NAN, 0, 2, NAN]).sum()
    assert [float(x) for x in (found.pairs, found.mae, found.bias)] == [2.0, 2.0, 2.0]
    assert found.skill == 1 - 1 / 2


def test_skill_is_one_when_perfect_zero_when_equal_negative_when_worse() -> None:
    reference = [6.0, 8.0, 4.0, 14.0]
    for predicted, skill in (([2.0, 4, 0, 10], 1.0), (reference, 0.0), ([10.0, 12, 8, 18], -1.0)):
        assert sums(predicted, reference).sum().skill == skill


def test_without_a_pair_scores_are_nan_and_not_zero() -> None:
    found = sums([NAN] * 4, [1.0] * 4).sum()
    assert found.pairs == 0
    assert np.isnan([found.mae, found.rmse, found.bias, found.deviance, found.skill]).all()
    assert np.isnan(found.wape(np.array(0)))


def test_a_reference_that_is_never_wrong_gives_no_skill() -> None:
    assert np.isnan(sums([3, 2, 0, 14], [2, 4, 0, 10]).sum().skill)


def test_each_element_is_scored_on_its_own() -> None:
    found = sums([3, 2, NAN, 14], [NAN, 0, 2, NAN])
    assert found.mae.tolist()[:2] == [1.0, 2.0]
    assert np.isnan(found.mae[2])
