import hashlib
import os
import pickle
import subprocess
import sys
from collections.abc import Iterable
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from dataflows.counting import CityHour
from dataflows.forecasting import engine as forecasting
from dataflows.forecasting.engine import HourForecast, HourlyForecasting
from dataflows.forecasting.features import MODEL_FEATURES
from dataflows.forecasting.forecasters import baselines, learners, model_names
from rushhour.core.forecast import Forecast
from rushhour.core.hours import HOUR_MS
from rushhour.core.models import SERVED
from rushhour.core.zones import ZONE_COUNT

Counts = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]

START = 1_727_740_800_000  # 2024-10-01 00:00


def city_like(hours: int, seed: int) -> Counts:
    """Random counts of busy, quiet and ever empty zones, with a rhythm of a day."""
    random = np.random.default_rng(seed)
    rate = random.gamma(0.5, 20, ZONE_COUNT) * (np.arange(ZONE_COUNT) % 3 > 0)
    rhythm = 1 + 0.8 * np.sin(np.arange(hours) / 24 * 2 * np.pi)
    return random.poisson(rhythm[:, None] * rate)


def hours_of(rides: Counts) -> Iterable[CityHour]:
    yield CityHour(START, None)
    for i, hour in enumerate(rides):
        yield CityHour(START + i * HOUR_MS, hour)


def results_of(rides: Counts, engine: HourlyForecasting | None = None) -> list[HourForecast]:
    engine = engine or HourlyForecasting()
    return [engine.update(hour) for hour in hours_of(rides)]


def forecasts_of(rides: Counts, engine: HourlyForecasting | None = None) -> list[Forecast]:
    """The forecast for each hour, and for the hour after the last."""
    return [result.forecast for result in results_of(rides, engine)]


def same(a: Forecast, b: Forecast) -> bool:
    """Whether two forecasts agree to the last bit."""
    return (a.hour_ts, list(a.by_model)) == (b.hour_ts, list(b.by_model)) and all(
        one.tobytes() == other.tobytes()
        for one, other in zip(columns_of(a), columns_of(b), strict=True)
    )


def columns_of(forecast: Forecast) -> list[Floats]:
    """Return all arrays of a forecast."""
    return [*forecast.by_model.values(), forecast.lower, forecast.upper]


def digest_of(rides: Counts) -> str:
    """A hash of all forecasts, and of all digits of the last ones before they are rounded."""
    engine = HourlyForecasting()
    digest = hashlib.sha256()
    for result in results_of(rides, engine):
        for column in (*columns_of(result.forecast), result.relative_changes):
            digest.update(column.tobytes())
    assert engine._logged is not None
    for learner in engine._learners:
        digest.update(learner.predict_many(engine._logged[0]).tobytes())
    return digest.hexdigest()


def condition_of(engine: HourlyForecasting) -> float:
    """The largest condition number of the matrices that the regressions invert."""
    city, hours, zones = (vars(learner) for learner in engine._learners)
    regressions: list[Any] = [city["_regression"], *hours["_regressions"], zones["_city"]]
    matrices = [r._pipeline["BayesianLinearRegression"]._ss_arr for r in regressions]
    assert {matrix.shape for matrix in matrices} == {(len(MODEL_FEATURES), len(MODEL_FEATURES))}
    return max(float(np.linalg.cond(matrix)) for matrix in matrices)


def test_there_is_a_forecast_of_every_model_for_each_hour_before_it_begins() -> None:
    forecasts = forecasts_of(city_like(5, 1))
    assert [f.hour_ts for f in forecasts] == [START + i * HOUR_MS for i in range(6)]
    for forecast in forecasts:
        assert tuple(forecast.by_model) == model_names()
        assert all(column.shape == (ZONE_COUNT,) for column in columns_of(forecast))


def test_a_baseline_repeats_its_hour_and_is_silent_before() -> None:
    rides = city_like(172, 2)
    for i, forecast in enumerate(forecasts_of(rides)):
        for model, back in zip(baselines(), (1, 24, 168), strict=True):
            if i < back:
                assert np.isnan(forecast.by_model[model.name]).all()
            else:
                assert np.array_equal(forecast.by_model[model.name], rides[i - back])


@given(st.integers(0, 2**32 - 1), st.integers(1, 30), st.data())
@settings(max_examples=15, phases=[Phase.generate])  # a smaller seed is no simpler case
def test_the_forecast_of_an_hour_does_not_depend_on_its_rides(
    seed: int, hours: int, data: st.DataObject
) -> None:
    changed = data.draw(st.integers(0, hours - 1))
    rides = city_like(hours, seed)
    other = rides.copy()
    other[changed:] += np.random.default_rng(seed + 1).integers(1, 50, other[changed:].shape)
    before, after = forecasts_of(rides), forecasts_of(other)
    assert all(same(a, b) for a, b in zip(before[: changed + 1], after, strict=False))
    # The test can fail: the next hour's does.
    a, b = before[changed + 1].by_model[SERVED], after[changed + 1].by_model[SERVED]
    assert not np.array_equal(a, b)


class Diary:
    """A forecaster that only writes down what is asked of it, and with which features."""

    name = "diary"

    def __init__(self) -> None:
        self.calls: list[tuple[str, pd.DataFrame, int]] = []

    def predict_many(self, x: pd.DataFrame) -> Floats:
        self.calls.append(("predict", x.copy(), -1))
        return np.full(len(x), float(len(self.calls)))

    def learn_many(self, x: pd.DataFrame, rides: Counts) -> None:
        self.calls.append(("learn", x.copy(), int(rides[0])))


def test_a_model_learns_an_hour_from_what_it_was_asked_with(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    diary = Diary()
    monkeypatch.setattr(forecasting, "learners", lambda: (diary,))
    hours = 150  # past the first weekend, for a feature that knows weekends
    rides = city_like(hours, 7) + np.arange(hours)[:, None]
    forecasts_of(rides)
    expected = [("predict", -1)]
    for hour in rides:
        expected += [("learn", int(hour[0])), ("predict", -1)]
    assert [(call, hour) for call, _, hour in diary.calls] == expected
    asked = [x for call, x, _ in diary.calls if call == "predict"]
    learned = [x for call, x, _ in diary.calls if call == "learn"]
    for i, x in enumerate(learned):
        pd.testing.assert_frame_equal(x, asked[i])


def test_a_run_that_starts_without_an_opening_only_forecasts() -> None:
    forecast = HourlyForecasting().update(CityHour(START, city_like(1, 1)[0])).forecast
    assert forecast.hour_ts == START + HOUR_MS


def test_the_served_model_beats_repeating_the_last_hour_on_a_daily_rhythm() -> None:
    rides = city_like(168, 3)
    forecasts = forecasts_of(rides)[72:-1]

    def mae(model: str) -> float:
        errors = [f.by_model[model] - r for f, r in zip(forecasts, rides[72:], strict=True)]
        return float(np.abs(errors).mean())

    assert mae(SERVED) < 0.9 * mae("last_hour")
    assert mae(SERVED) < 0.9 * mae("same_hour_yesterday")


def test_without_any_ride_all_forecasts_are_as_good_as_zero() -> None:
    # Regression: River forgets its prior, and ends up inverting a matrix of zeros.
    engine = HourlyForecasting()
    for forecast in forecasts_of(np.zeros((800, ZONE_COUNT), np.int64), engine):
        assert (forecast.served == 0.0001).all()  # a ride is never ruled out
        for learner in learners():
            assert (forecast.by_model[learner.name] == 0).all()
    assert condition_of(engine) < 1e7


def test_what_is_served_lies_between_what_was_learned() -> None:
    for forecast in forecasts_of(city_like(60, 8))[1:]:
        learned = np.stack([forecast.by_model[learner.name] for learner in learners()])
        assert (forecast.served >= learned.min(axis=0)).all()
        assert (forecast.served <= np.maximum(learned.max(axis=0), 0.0001)).all()


def test_intervals_hold_their_prediction_and_are_never_negative() -> None:
    for forecast in forecasts_of(city_like(200, 9)):
        assert (forecast.lower >= 0).all()
        assert (forecast.lower <= forecast.served).all()
        assert (forecast.served <= forecast.upper).all()


def test_nine_in_ten_rides_lie_within_their_interval() -> None:
    rides = city_like(336, 10)
    forecasts = forecasts_of(rides)[168:-1]
    held = [(f.lower <= r) & (r <= f.upper) for f, r in zip(forecasts, rides[168:], strict=True)]
    assert np.mean(held) == pytest.approx(0.9, abs=0.02)


def test_a_doubled_zone_raises_an_alert_within_a_day() -> None:
    rides = city_like(360, 11)
    zone = int(np.argmax(rides.sum(axis=0)))
    rides[300:, zone] *= 2
    after = results_of(rides)[301:325]
    assert any(result.relative_changes[zone] > 0 for result in after)


@pytest.mark.parametrize("most", [10**6, 10**9])
def test_huge_counts_give_forecasts_that_are_finite_and_not_negative(most: int) -> None:
    rides = np.random.default_rng(1).integers(0, most, (60, ZONE_COUNT))
    for forecast in forecasts_of(rides):
        served = forecast.by_model[SERVED]
        assert np.isfinite(served).all()
        assert (served >= 0).all()


def test_the_models_matrix_stays_well_conditioned() -> None:
    rate = 5.0 * (np.arange(ZONE_COUNT) % 3 > 0)  # and a third of the zones ever empty
    rides = np.random.default_rng(1).poisson(rate, (800, ZONE_COUNT))
    engine = HourlyForecasting()
    forecasts = forecasts_of(rides, engine)
    assert condition_of(engine) < 1e7
    served = np.stack([forecast.by_model[SERVED] for forecast in forecasts])
    assert np.isfinite(served).all()
    assert (served >= 0).all()
    # On noise there is nothing better to say than the mean.
    assert served[-100:].mean(axis=0) == pytest.approx(rate, abs=1.0)


@pytest.mark.parametrize("cut", [0, 1, 30])
def test_a_restart_from_a_snapshot_goes_on_with_the_same_digits(cut: int) -> None:
    hours = list(hours_of(city_like(40, 4)))
    engine = HourlyForecasting()
    for hour in hours[:cut]:
        engine.update(hour)
    restarted: HourlyForecasting = pickle.loads(pickle.dumps(engine.snapshot()))
    kept = engine.snapshot()
    expected = [engine.update(hour).forecast for hour in hours[cut:]]
    for other in (restarted, kept):  # the old one living on must not touch its snapshot
        found = [other.update(hour).forecast for hour in hours[cut:]]
        assert all(same(a, b) for a, b in zip(expected, found, strict=True))


def test_forecasts_are_rounded_once() -> None:
    for forecast in forecasts_of(city_like(30, 5)):
        served = forecast.by_model[SERVED]
        assert np.array_equal(served, np.round(served, 4))


def test_the_same_rides_give_the_same_digits_in_every_process() -> None:
    # Regression: River's compose.Select kept the features in a set, ordered by hash.
    children = [
        subprocess.Popen(
            [sys.executable, __file__],
            env=os.environ | {"PYTHONHASHSEED": seed, "OPENBLAS_NUM_THREADS": "1"},
            stdout=subprocess.PIPE,
            text=True,
        )
        for seed in ("1", "2")
    ]
    digests = [child.communicate(timeout=120)[0].strip() for child in children]
    assert [child.returncode for child in children] == [0, 0]
    assert len(digests[0]) == 64
    assert digests[0] == digests[1]


if __name__ == "__main__":  # the child processes of the test of every process's digits
    print(digest_of(city_like(60, 6)))
