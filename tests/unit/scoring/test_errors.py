"""MAE, RMSE, WAPE, bias and skill against numbers worked out by hand."""

from math import sqrt

import numpy as np

from rushhour.scoring.errors import ErrorSums, errors_of

NAN = float("nan")
RIDES = np.array([2, 4, 0, 10])


def sums(predicted: list[float], reference: list[float]) -> ErrorSums:
    errors = errors_of(RIDES, np.array(predicted)), errors_of(RIDES, np.array(reference))
    return ErrorSums.of(*errors[0], *errors[1])


def test_every_score_is_what_its_definition_says() -> None:
    # Errors +1, -2, 0, +4; of the reference -, -4, 2, -.
    found = sums([3, 2, 0, 14], [NAN, 0, 2, NAN]).sum()
    assert found.pairs == 4
    assert found.mae == 7 / 4
    assert found.rmse == sqrt(21 / 4)
    assert found.bias == 3 / 4
    assert found.wape(np.array(16)) == 7 / 16
    assert found.skill == 1 - 2 / 6  # over the two pairs that both have: 2 + 0 against 4 + 2


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
    assert np.isnan([found.mae, found.rmse, found.bias, found.skill, found.wape(np.array(0))]).all()


def test_a_reference_that_is_never_wrong_gives_no_skill() -> None:
    assert np.isnan(sums([3, 2, 0, 14], [2, 4, 0, 10]).sum().skill)


def test_each_element_is_scored_on_its_own() -> None:
    found = sums([3, 2, NAN, 14], [NAN, 0, 2, NAN])
    assert found.mae.tolist()[:2] == [1.0, 2.0]
    assert np.isnan(found.mae[2])
