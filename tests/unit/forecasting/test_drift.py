import numpy as np
import numpy.typing as npt
import pytest

from dataflows.forecasting.drift import DriftDetector
from rushhour.core.zones import ZONE_COUNT

Floats = npt.NDArray[np.float64]


def changes(predicted: Floats, rides: npt.NDArray[np.int64]) -> Floats:
    detector = DriftDetector()
    return np.array([detector.update(r, p) for p, r in zip(predicted, rides, strict=True)])


def steady(hours: int, level: float = 50.0) -> tuple[Floats, npt.NDArray[np.int64]]:
    predicted = np.full((hours, ZONE_COUNT), level)
    return predicted, np.random.default_rng(1).poisson(predicted)


def test_accurate_forecasts_raise_few_alerts() -> None:
    found = changes(*steady(744))
    assert (~np.isnan(found)).sum() < 0.2 * ZONE_COUNT


@pytest.mark.parametrize(("factor", "sign"), [(2.0, 1), (0.5, -1)])
def test_a_step_is_detected_within_a_day_and_only_in_its_zone(factor: float, sign: int) -> None:
    predicted, rides = steady(300)
    rides[200:, 131] = np.random.default_rng(2).poisson(50 * factor, 100)
    found = changes(predicted, rides)
    hours = np.flatnonzero(~np.isnan(found[:, 131]))
    assert any(200 <= hour < 224 for hour in hours)
    first = next(hour for hour in hours if hour >= 200)
    assert np.sign(found[first, 131]) == sign
    others = np.delete(found[200:224], 131, axis=1)
    assert (~np.isnan(others)).mean() < 0.001


def test_the_change_is_rides_by_prediction_over_six_hours() -> None:
    predicted, rides = steady(300)
    rides[200:, 131] = 150
    found = changes(predicted, rides)
    hour = next(h for h in np.flatnonzero(~np.isnan(found[:, 131])) if h >= 200)
    expected = rides[hour - 5 : hour + 1, 131].sum() / 300 - 1
    assert found[hour, 131] == pytest.approx(expected)


def test_a_single_extreme_hour_is_no_drift() -> None:
    predicted, rides = steady(300)
    rides[200, 131] = 100_000
    assert np.isnan(changes(predicted, rides)[200:230, 131]).all()


def test_the_first_day_is_ignored() -> None:
    predicted, rides = steady(100)
    rides[:24] = 5_000  # the models have learned nothing yet
    assert np.isnan(changes(predicted, rides)[:54]).all()
    quiet = changes(predicted[24:], rides[24:])
    assert (~np.isnan(quiet)).sum() <= (~np.isnan(changes(predicted, rides))).sum() + ZONE_COUNT


def test_zones_without_rides_raise_nothing() -> None:
    predicted = np.full((744, ZONE_COUNT), 1e-4)
    assert np.isnan(changes(predicted, np.zeros((744, ZONE_COUNT), np.int64))).all()
