import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from consumers.rolling_errors import WINDOWS, RollingErrors, Scores
from rushhour.core.hours import HOUR_MS
from rushhour.core.models import REFERENCE
from rushhour.core.zones import ZONE_COUNT

Floats = npt.NDArray[np.float64]
Hour = tuple[npt.NDArray[np.int64], dict[str, Floats]]

START = 1_727_740_800_000
MODELS = ("served", "silent_at_times", REFERENCE)


def random_hours(count: int, seed: int) -> list[Hour]:
    """Rides and predictions; some predictions are missing, the reference's for long at first."""
    random = np.random.default_rng(seed)
    out: list[Hour] = []
    for i in range(count):
        by_model = {name: random.gamma(1, 10, ZONE_COUNT) for name in MODELS}
        by_model["silent_at_times"][random.random(ZONE_COUNT) < 0.3] = np.nan
        if i < count // 3:
            by_model[REFERENCE][:] = np.nan
        by_model[REFERENCE][0] = np.nan  # a zone that is never judged against it
        rides = random.poisson(5, ZONE_COUNT)
        rides[2] = 0
        by_model[REFERENCE][2] = 0.0  # and one where it is never wrong
        out.append((rides, by_model))
    return out


def learn(hours: list[Hour], first: int = 0) -> RollingErrors:
    errors = RollingErrors()
    for i, (rides, by_model) in enumerate(hours):
        errors.learn(START + (first + i) * HOUR_MS, rides, by_model)
    return errors


def brute_force(hours: list[Hour], model: str, window: int) -> tuple[Floats, Floats]:
    """MAE, RMSE, bias and skill, straight from their definitions: per zone, and for the city."""
    recent = hours[-window:]
    error = np.stack([by_model[model] - rides for rides, by_model in recent])
    reference = np.stack([by_model[REFERENCE] - rides for rides, by_model in recent])
    zones = np.array([evaluate(error[:, i], reference[:, i]) for i in range(ZONE_COUNT)])
    return zones.T, evaluate(error.ravel(), reference.ravel())


def evaluate(error: Floats, reference: Floats) -> Floats:
    own = error[~np.isnan(error)]
    both = ~np.isnan(error) & ~np.isnan(reference)
    nan = float("nan")
    if not len(own):
        return np.full(4, nan)
    skill = nan
    if both.any() and np.abs(reference[both]).sum() > 0:
        skill = 1 - np.abs(error[both]).mean() / np.abs(reference[both]).mean()
    return np.array([np.abs(own).mean(), np.sqrt((own**2).mean()), own.mean(), skill])


def scores_of(errors: RollingErrors, model: str, window: int, last: int) -> tuple[Scores, Scores]:
    """The scores per zone, and for the city, over a window that ends with the hour `last`."""
    last_hour = START + last * HOUR_MS
    return (
        errors.zone_scores(model, window, last_hour),
        errors.city_scores(model, window, last_hour),
    )


def as_rows(scores: Scores) -> Floats:
    return np.stack((scores.mae, scores.rmse, scores.bias, scores.skill))


@given(st.integers(0, 2**32 - 1), st.integers(1, 200) | st.integers(160, 400), st.integers(0, 200))
@settings(max_examples=15, phases=[Phase.generate])  # a smaller seed is no simpler case
def test_scores_are_what_their_definitions_say(seed: int, count: int, first: int) -> None:
    hours = random_hours(count, seed)
    errors = learn(hours, first)
    assert errors.models == MODELS
    for model in MODELS:
        for window in WINDOWS:
            by_zone, city = scores_of(errors, model, window, first + count - 1)
            zones_expected, city_expected = brute_force(hours, model, window)
            np.testing.assert_allclose(as_rows(by_zone), zones_expected, rtol=1e-9, atol=1e-9)
            np.testing.assert_allclose(as_rows(city)[:, 0], city_expected, rtol=1e-9, atol=1e-9)


def test_windows_are_a_day_and_a_week() -> None:
    assert WINDOWS == (24, 168)


def test_an_error_is_predicted_minus_rides() -> None:
    predicted = np.full(ZONE_COUNT, 3.0)
    errors = learn([(np.full(ZONE_COUNT, 5), {"served": predicted})])
    city = errors.city_scores("served", 24, START)
    assert (city.mae[0], city.rmse[0], city.bias[0]) == (2.0, 2.0, -2.0)
    assert np.isnan(city.skill[0])


def test_skill_is_one_when_perfect_zero_when_equal_negative_when_worse() -> None:
    rides = np.full(ZONE_COUNT, 10)
    by_model = {
        "perfect": rides.astype(float),
        "equal": rides - 4.0,
        "worse": rides + 8.0,
        REFERENCE: rides + 4.0,
    }
    errors = learn([(rides, by_model)])
    skills = [errors.city_scores(name, 24, START).skill[0] for name in by_model]
    assert skills == [1.0, 0.0, -1.0, 0.0]


def test_skill_is_judged_only_by_pairs_that_both_models_have() -> None:
    rides = np.zeros(ZONE_COUNT, np.int64)
    served = np.full(ZONE_COUNT, 1.0)
    reference = np.full(ZONE_COUNT, np.nan)
    hours: list[Hour] = [(rides, {"served": served * 100, REFERENCE: reference})]
    hours.append((rides, {"served": served, REFERENCE: np.full(ZONE_COUNT, 2.0)}))
    by_zone, city = scores_of(learn(hours), "served", 24, last=1)
    assert city.skill[0] == 0.5  # the first hour, far off, has no reference
    assert city.mae[0] == 50.5
    assert set(by_zone.skill) == {0.5}


def test_nothing_to_judge_by_is_nan_and_not_zero() -> None:
    silent = np.full(ZONE_COUNT, np.nan)
    errors = learn([(np.ones(ZONE_COUNT, np.int64), {"silent": silent})])
    by_zone, city = scores_of(errors, "silent", 24, last=0)
    assert np.isnan(as_rows(by_zone)).all()
    assert np.isnan(as_rows(city)).all()


@pytest.mark.parametrize("count", [168, 169, 250, 336, 400])
def test_rebuilding_from_the_last_week_gives_the_same_digits(count: int) -> None:
    hours = random_hours(count, count)
    whole = learn(hours)
    rebuilt = learn(hours[-168:], first=count - 168)
    for model in MODELS:
        for window in WINDOWS:
            both = (scores_of(errors, model, window, count - 1) for errors in (whole, rebuilt))
            for a, b in zip(*both, strict=True):
                assert as_rows(a).tobytes() == as_rows(b).tobytes()


def test_an_hour_older_than_the_window_is_forgotten() -> None:
    rides = np.zeros(ZONE_COUNT, np.int64)
    good, bad = {"served": np.zeros(ZONE_COUNT)}, {"served": np.full(ZONE_COUNT, 7.0)}
    errors = RollingErrors()
    errors.learn(START, rides, bad)
    for age in range(1, 169):
        hour = START + age * HOUR_MS
        errors.learn(hour, rides, good)
        day = errors.city_scores("served", 24, hour).mae[0]
        week = errors.city_scores("served", 168, hour).mae[0]
        assert day == (pytest.approx(7 / (age + 1)) if age < 24 else 0.0)
        assert week == (pytest.approx(7 / (age + 1)) if age < 168 else 0.0)


@given(st.integers(0, 2**32 - 1), st.integers(1, 30) | st.integers(160, 200))
@settings(max_examples=10, phases=[Phase.generate])
def test_zones_that_come_to_their_hours_at_different_times_have_the_scores_of_their_own_hour(
    seed: int, count: int
) -> None:
    """As the partitions of a consumer do: each zone's scores are those of a consumer of its own."""
    hours = random_hours(count, seed)
    random = np.random.default_rng(seed)
    group = random.integers(0, 3, ZONE_COUNT)
    masks = [group == number for number in range(3)]
    together, alone = RollingErrors(), [RollingErrors() for _ in masks]
    done = [0, 0, 0]
    while min(done) < count:
        i = random.choice([number for number in range(3) if done[number] < count])
        rides, by_model = hours[done[i]]
        last = START + done[i] * HOUR_MS
        # What the other zones have in this hour is somebody else's: it must not be looked at.
        alien = {name: np.where(masks[i], column, 1e6) for name, column in by_model.items()}
        together.learn(last, np.where(masks[i], rides, -1), alien, masks[i])
        alone[i].learn(last, rides, by_model)
        done[i] += 1
        for model in MODELS:
            for window in WINDOWS:
                found = as_rows(together.zone_scores(model, window, last))[:, masks[i]]
                expected = as_rows(alone[i].zone_scores(model, window, last))[:, masks[i]]
                assert found.tobytes() == expected.tobytes()
    end = START + (count - 1) * HOUR_MS
    whole = learn(hours)
    for model in MODELS:
        for window in WINDOWS:
            found = as_rows(together.city_scores(model, window, end))
            assert found.tobytes() == as_rows(whole.city_scores(model, window, end)).tobytes()
