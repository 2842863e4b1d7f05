"""Rolling scores of zones and of the city, against their definitions."""

import math
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import Phase, given
from hypothesis import strategies as st

from consumers.city_scores import CityScores
from consumers.rolling import WINDOWS
from consumers.zone_scores import ZoneScores
from rushhour.core.arrays import Floats, ZoneMask
from rushhour.core.forecast import Forecast
from rushhour.core.hours import HOUR_MS
from rushhour.core.models import REFERENCE
from rushhour.core.zones import ZONE_COUNT
from rushhour.scoring.bands import BANDS
from rushhour.storage.columns import all_zones, to_values, unknown
from rushhour.storage.hour_tables import HourTables
from tests.fixtures.examples import few_examples

START = 1_727_740_800_000
MODELS = ("served", "gaps", REFERENCE)
EDGES = (0, 1, 5, 20, 100, float("inf"))
NAN = float("nan")

# Seeds and numbers of hours. A smaller seed is no simpler case, so nothing is shrunk.
random_runs = given(st.integers(0, 2**32 - 1), st.integers(1, 30) | st.integers(160, 200))
few = few_examples(6, phases=[Phase.generate])


def hour_at(index: int, random: np.random.Generator, *, reference: bool = True) -> HourTables:
    """Rides and predictions; some predictions and intervals are missing."""
    by_model = {name: np.round(random.gamma(1, 10, ZONE_COUNT), 4) for name in MODELS}
    by_model["gaps"][random.random(ZONE_COUNT) < 0.3] = np.nan
    if not reference:
        by_model[REFERENCE][:] = np.nan
    rides = random.poisson(5, ZONE_COUNT).astype(np.float64)
    rides[2] = by_model[REFERENCE][2] = 0.0  # a zone where the reference is never wrong
    by_model[REFERENCE][0] = np.nan  # and one where it never predicts
    served = by_model["served"]
    lower = np.where(random.random(ZONE_COUNT) < 0.1, np.nan, np.floor(served * 0.5))
    lower[0] = np.nan  # a zone that never has an interval
    mean = np.round(served * random.uniform(0.5, 2.0, ZONE_COUNT), 4)
    forecast = Forecast(START + index * HOUR_MS, by_model, mean, lower, served + 3.0)
    return HourTables(rides, forecast, unknown())


def random_hours(count: int, seed: int) -> list[HourTables]:
    random = np.random.default_rng(seed)
    return [hour_at(i, random, reference=i >= count // 3) for i in range(count)]


def zone_scores(hours: list[HourTables]) -> ZoneScores:
    scores = ZoneScores()
    for hour in hours:
        scores.update(hour, all_zones())
    return scores


def city_scores(hours: list[HourTables]) -> CityScores:
    scores = CityScores(MODELS)
    for hour in hours:
        scores.update(hour)
    return scores


def definition(of_median: Floats, of_mean: Floats, reference: Floats) -> list[float]:
    """MAE, RMSE, bias and skill."""
    known = ~np.isnan(of_median)
    both = known & ~np.isnan(reference)
    skill = NAN
    if both.any() and np.abs(reference[both]).sum() > 0:
        skill = 1 - np.abs(of_median[both]).mean() / np.abs(reference[both]).mean()
    if not known.any():
        return [NAN, NAN, NAN, skill]
    own = of_mean[known]
    return [np.abs(of_median[known]).mean(), np.sqrt((own**2).mean()), own.mean(), skill]


def deviance(hours: list[HourTables], model: str) -> float:
    """The mean Poisson deviance, one pair at a time."""
    found = []
    for hour in hours:
        mean = hour.forecast.mean_of(model)
        for rides, expected in zip(hour.rides.tolist(), mean.tolist(), strict=True):
            if not math.isnan(expected):
                least = max(expected, 0.0001)
                term = rides * math.log(rides / least) if rides else 0.0
                found.append(2 * (term - (rides - least)))
    return math.fsum(found) / len(found) if found else NAN


def interval_score(hours: list[HourTables]) -> float:
    """The weighted interval score of a 90 % interval, one pair at a time."""
    found = []
    for hour in hours:
        forecast = hour.forecast
        columns = (hour.rides, forecast.median, forecast.lower, forecast.upper)
        for rides, median, lower, upper in zip(*(c.tolist() for c in columns), strict=True):
            if not math.isnan(lower):
                of_interval = upper - lower
                of_interval += 20 * max(0.0, lower - rides) + 20 * max(0.0, rides - upper)
                found.append((abs(rides - median) / 2 + 0.05 * of_interval) / 1.5)
    return math.fsum(found) / len(found) if found else NAN


def share(covered: Floats) -> float:
    known = covered[~np.isnan(covered)]
    return float(known.mean()) if len(known) else NAN


def covered_at(hour: HourTables) -> Floats:
    lower, upper = hour.forecast.lower, hour.forecast.upper
    inside = (lower <= hour.rides) & (hour.rides <= upper)
    return np.where(np.isnan(lower), np.nan, inside.astype(np.float64))


def errors_at(hour: HourTables, model: str) -> Floats:
    return hour.forecast.by_model[model] - hour.rides


def mean_errors_at(hour: HourTables, model: str) -> Floats:
    return hour.forecast.mean_of(model) - hour.rides


def assert_close(found: dict[str, Any], expected: dict[str, Any]) -> None:
    """Equal up to the last of the four digits that Redis has."""
    assert found.keys() == expected.keys()
    for field, values in expected.items():
        as_floats = [NAN if v == "n/a" else v for v in np.atleast_1d(found[field]).tolist()]
        got = np.array([float(v) for v in as_floats])
        np.testing.assert_allclose(got, np.atleast_1d(values), atol=1.01e-4, err_msg=field)


def test_windows_are_a_day_and_a_week() -> None:
    assert WINDOWS == (24, 168)


@random_runs
@few
def test_scores_of_zones_are_what_their_definitions_say(seed: int, count: int) -> None:
    hours = random_hours(count, seed)
    expected: dict[str, Any] = {}
    for window in WINDOWS:
        recent = hours[-window:]
        errors = np.stack([errors_at(hour, "served") for hour in recent])
        of_mean = np.stack([mean_errors_at(hour, "served") for hour in recent])
        reference = np.stack([errors_at(hour, REFERENCE) for hour in recent])
        covered = np.stack([covered_at(hour) for hour in recent])
        zones = [
            definition(errors[:, i], of_mean[:, i], reference[:, i]) for i in range(ZONE_COUNT)
        ]
        columns = dict(zip(("mae", "rmse", "bias", "skill"), np.array(zones).T, strict=True))
        columns["coverage"] = np.array([share(covered[:, i]) for i in range(ZONE_COUNT)])
        expected |= {f"{name}_{window}h": values for name, values in columns.items()}
    assert_close(zone_scores(hours).fields(hours[-1].hour_ts), expected)


@random_runs
@few
def test_scores_of_the_city_are_what_their_definitions_say(seed: int, count: int) -> None:
    hours = random_hours(count, seed)
    scores = city_scores(hours)
    for model in MODELS:
        expected: dict[str, Any] = {}
        for window in WINDOWS:
            recent = hours[-window:]
            errors = np.concatenate([errors_at(hour, model) for hour in recent])
            reference = np.concatenate([errors_at(hour, REFERENCE) for hour in recent])
            of_mean = np.concatenate([mean_errors_at(hour, model) for hour in recent])
            figures = definition(errors, of_mean, reference)
            expected[f"deviance_{window}h"] = deviance(recent, model)
            for name, value in zip(("mae", "rmse", "bias", "skill"), figures, strict=True):
                expected[f"{name}_{window}h"] = value
            if model == "served":
                covered = np.concatenate([covered_at(hour) for hour in recent])
                expected[f"coverage_{window}h"] = share(covered)
                expected[f"wis_{window}h"] = interval_score(recent)
        assert_close(scores.fields(hours[-1].hour_ts)[model], expected)


@random_runs
@few
def test_the_coverage_of_a_band_is_that_of_its_own_pairs(seed: int, count: int) -> None:
    hours = random_hours(count, seed)
    covered = np.concatenate([covered_at(hour) for hour in hours[-168:]])
    mean = np.concatenate([hour.forecast.mean for hour in hours[-168:]])
    expected = [share(covered[(low <= mean) & (mean < high)]) for low, high in pairwise(EDGES)]
    found = city_scores(hours).band_fields()
    assert found == dict(zip(BANDS, to_values(np.array(expected)), strict=True))


def test_an_error_is_predicted_minus_rides() -> None:
    (hour,) = flat_hours(1, rides=5.0, predicted=3.0)
    found = city_scores([hour]).fields(START)["served"]
    assert (found["mae_24h"], found["rmse_24h"], found["bias_24h"]) == (2.0, 2.0, -2.0)
    assert found["skill_24h"] == "n/a"


@pytest.mark.parametrize("window", WINDOWS)
def test_an_hour_that_leaves_its_window_is_forgotten_and_not_before(window: int) -> None:
    """One bad hour, then only good ones."""
    bad, *good = flat_hours(window + 1, rides=0.0, predicted=0.0)
    bad.forecast.by_model["served"][:] = 7.0
    zones, city = zone_scores([bad]), city_scores([bad])
    for age, hour in enumerate(good, 1):
        zones.update(hour, all_zones())
        city.update(hour)
        expected = pytest.approx(7 / (age + 1) if age < window else 0.0, abs=1e-4)
        assert city.fields(hour.hour_ts)["served"][f"mae_{window}h"] == expected, age
        column = zones.fields(hour.hour_ts)[f"mae_{window}h"]
        assert [float(value) for value in column[:2]] == [expected] * 2, age


def flat_hours(count: int, rides: float, predicted: float) -> list[HourTables]:
    """Hours with the same rides and prediction everywhere, without the reference."""
    hours = []
    for i in range(count):
        by_model = {name: unknown() for name in MODELS} | {"served": np.full(ZONE_COUNT, predicted)}
        mean = np.full(ZONE_COUNT, predicted)
        forecast = Forecast(START + i * HOUR_MS, by_model, mean, unknown(), unknown())
        hours.append(HourTables(np.full(ZONE_COUNT, rides), forecast, unknown()))
    return hours


@pytest.mark.parametrize("count", [168, 169, 250, 336])
def test_rebuilding_from_the_last_week_gives_the_same_digits(count: int) -> None:
    hours = random_hours(count, count)
    last_hour = hours[-1].hour_ts
    assert zone_scores(hours).fields(last_hour) == zone_scores(hours[-168:]).fields(last_hour)
    whole, rebuilt = city_scores(hours), city_scores(hours[-168:])
    assert whole.fields(last_hour) == rebuilt.fields(last_hour)
    assert whole.band_fields() == rebuilt.band_fields()


@random_runs
@few_examples(3, phases=[Phase.generate])
def test_partitions_at_different_hours_have_the_scores_of_their_own_hour(
    seed: int, count: int
) -> None:
    """Each zone's scores are those of a consumer of all zones at that hour."""
    hours = random_hours(count, seed)
    random = np.random.default_rng(seed)
    group = random.integers(0, 3, ZONE_COUNT)
    together, done = ZoneScores(), [0, 0, 0]
    alone = ZoneScores()
    expected = []
    for hour in hours:
        alone.update(hour, all_zones())
        expected.append(alone.fields(hour.hour_ts))
    while min(done) < count:
        i = int(random.choice([number for number in range(3) if done[number] < count]))
        hour, mask = hours[done[i]], group == i
        together.update(others_unknown(hour, mask), mask)
        found = together.fields(hour.hour_ts)
        for field, values in expected[done[i]].items():
            both = np.array([found[field], values], object)[:, mask]
            assert both[0].tolist() == both[1].tolist()
        done[i] += 1


def others_unknown(hour: HourTables, mask: ZoneMask) -> HourTables:
    """What a partition returns: other zones' values must not be used."""

    def own(values: Floats) -> Floats:
        return np.where(mask, values, 1e6)

    by_model = {name: own(values) for name, values in hour.forecast.by_model.items()}
    mean, lower, upper = hour.forecast.mean, hour.forecast.lower, hour.forecast.upper
    forecast = Forecast(hour.hour_ts, by_model, own(mean), own(lower), own(upper))
    return HourTables(own(hour.rides), forecast, own(hour.alerts))
