import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dataflows.forecasting.intervals import ConformalIntervals, _fractions
from rushhour.core.hours import HOUR_MS
from rushhour.core.zones import ZONE_COUNT

Floats = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]

START = 1_727_740_800_000


def run(predicted: Floats, rides: npt.NDArray[np.int64]) -> tuple[Floats, Floats, Flags]:
    """Return lower ends, upper ends, and whether they held the rides: hours x zones each."""
    intervals = ConformalIntervals()
    lowers, uppers = [], []
    for i, (row, actual) in enumerate(zip(predicted, rides, strict=True)):
        lower, upper = intervals.predict(START + i * HOUR_MS, row)
        lowers.append(lower)
        uppers.append(upper)
        intervals.update(START + i * HOUR_MS, actual, row)
    lower, upper = np.array(lowers), np.array(uppers)
    return lower, upper, (lower <= rides) & (rides <= upper)


def city(hours: int, seed: int = 1) -> tuple[Floats, npt.NDArray[np.int64]]:
    """Predictions of zones from empty to busy, and rides with more variance than Poisson's."""
    random = np.random.default_rng(seed)
    predicted = np.repeat(np.geomspace(0.001, 400, ZONE_COUNT)[None], hours, axis=0)
    return predicted, random.poisson(predicted * random.gamma(20, 1 / 20, predicted.shape))


def test_nine_in_ten_rides_are_held_at_every_level_of_demand() -> None:
    predicted, rides = city(400)
    _, _, held = run(predicted, rides)
    for edge in (0.001, 0.01, 0.1, 1, 10, 100):
        band = (predicted[0] >= edge) & (predicted[0] < edge * 10)
        assert held[168:, band].mean() == pytest.approx(0.9, abs=0.02), edge


def test_a_model_that_errs_more_gets_wider_intervals() -> None:
    predicted, rides = city(300)
    wild = np.random.default_rng(2).poisson(rides * np.array([[0.5], [1.5]] * 150))
    lower, upper, held = run(predicted, wild)
    calm_lower, calm_upper, _ = run(predicted, rides)
    busy = predicted[0] > 50
    assert held[168:, busy].mean() == pytest.approx(0.9, abs=0.02)
    width, calm_width = (upper - lower)[168:, busy].mean(), (calm_upper - calm_lower)[168:, busy]
    assert width > 1.5 * calm_width.mean()


def test_a_zone_that_is_harder_than_others_of_its_size_has_about_their_coverage(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    predicted, rides = city(500)
    hard = ZONE_COUNT - 60  # about 22 rides an hour
    shocks = np.random.default_rng(4).gamma(5, 1 / 5, len(rides))
    rides[:, hard] = np.random.default_rng(5).poisson(predicted[:, hard] * shocks)
    lower, upper, held = run(predicted, rides)
    assert held[168:, hard].mean() == pytest.approx(0.9, abs=0.05)
    width = (upper - lower)[168:].mean(axis=0)
    assert width[hard] > 1.4 * width[hard - 1]
    assert held[168:, hard - 10 : hard].mean() == pytest.approx(0.9, abs=0.03)
    monkeypatch.setattr(ConformalIntervals, "_spread", lambda _, predicted: np.ones(ZONE_COUNT))
    assert run(predicted, rides)[2][168:, hard].mean() < 0.75


@given(st.integers(0, 2**32 - 1))
def test_an_interval_is_never_negative_and_holds_its_prediction(seed: int) -> None:
    random = np.random.default_rng(seed)
    predicted = np.maximum(random.gamma(0.2, 50, (30, ZONE_COUNT)), 1e-4)
    lower, upper, _ = run(predicted, random.poisson(random.gamma(0.2, 50, predicted.shape)))
    assert (lower >= 0).all()
    assert (lower <= predicted).all()
    assert (predicted <= upper).all()
    for ends in (lower, upper):
        assert ((ends == np.round(ends)) | (ends == predicted)).all()


def test_an_interval_without_any_number_is_the_prediction_and_holds_nothing() -> None:
    predicted = np.full((300, ZONE_COUNT), 0.02)
    rides = np.random.default_rng(3).poisson(predicted)
    lower, upper, held = run(predicted, rides)
    empty = lower == upper
    assert 0.04 < empty[168:].mean() < 0.16
    assert not held[empty].any()
    assert held[~empty].mean() > 0.95


def test_intervals_depend_on_the_week_before_and_no_more() -> None:
    predicted, rides = city(290)
    strange = rides.copy()
    strange[:100] *= 30
    _, upper, _ = run(predicted, strange)
    _, usual, _ = run(predicted, rides)
    assert (upper[90, 200:] > usual[90, 200:]).all()
    quiet = predicted[0] < 1  # the spread of busy zones is forgotten slowly
    assert np.array_equal(upper[100 + 168 :, quiet], usual[100 + 168 :, quiet])
    assert not np.array_equal(upper[100 + 167, quiet], usual[100 + 167, quiet])


def test_the_fractions_are_spread_evenly_and_always_the_same() -> None:
    fractions = np.array([_fractions(START + i * HOUR_MS) for i in range(200)])
    assert np.array_equal(fractions[7], _fractions(START + 7 * HOUR_MS))
    counts, _ = np.histogram(fractions, bins=10, range=(0, 1))
    assert counts == pytest.approx(fractions.size / 10, rel=0.05)
    assert abs(np.corrcoef(fractions[:-1].ravel(), fractions[1:].ravel())[0, 1]) < 0.02
    assert abs(np.corrcoef(fractions[:, :-1].ravel(), fractions[:, 1:].ravel())[0, 1]) < 0.02
