import numpy as np
import pytest

from rushhour.scoring.coverage import is_covered

NAN = float("nan")


@pytest.mark.parametrize(
    ("lower", "rides", "upper", "covered"),
    [(2, 1, 4, 0), (2, 2, 4, 1), (2, 4, 4, 1), (2, 5, 4, 0), (0, 0, 0, 1), (2.5, 2, 4, 0)],
)
def test_both_ends_of_an_interval_belong_to_it(
    lower: float, rides: int, upper: float, covered: float
) -> None:
    found = is_covered(np.array([rides]), np.array([lower], float), np.array([upper], float))
    assert found.tolist() == [covered]


def test_without_an_interval_or_rides_coverage_is_unknown() -> None:
    lower, upper = np.array([NAN, 1, NAN, 1]), np.array([5, NAN, NAN, 5])
    assert np.isnan(is_covered(np.array([3, 3, 3, NAN]), lower, upper)).all()
