"""A model that fails: in any way and at any hour, it changes no other model and stops nothing."""

import logging
import pickle
import re
import time
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dataflows.counting import CityHour
from dataflows.flow import ForecastLogic
from dataflows.forecasting import engine as engine_module
from dataflows.forecasting.calibrated_mean import CalibratedMean
from dataflows.forecasting.engine import ForecastEngine
from dataflows.forecasting.features import HOUR_OF_DAY, Features
from dataflows.forecasting.forecasters import learners
from dataflows.forecasting.forecasters.city_regression import CityRegression
from dataflows.forecasting.forecasters.zone_regression import ZoneRegression
from dataflows.forecasting.guard import MAX_RIDES, FailureLog, ModelFailure
from dataflows.forecasting.mixture import Mixture
from dataflows.metrics import MODEL_FAILURES
from rushhour.core.arrays import Counts, Floats
from rushhour.core.forecast import Forecast
from rushhour.core.hours import HOUR_MS
from rushhour.core.models import SERVED
from rushhour.core.zones import ZONE_COUNT
from rushhour.simulator.evaluation.offline import replay
from tests.fixtures.examples import few_examples

START = 1_727_740_800_000  # 2024-10-01 00:00
HOURS = 12
RIDES = np.random.default_rng(3).poisson(4.0, (HOURS, ZONE_COUNT))


def raises(_: Floats) -> Floats:
    raise ZeroDivisionError("division\nby zero")


def with_a(value: float) -> Callable[[Floats], Floats]:
    def spoil(values: Floats) -> Floats:
        values[7] = value
        return values

    return spoil


FAULTS: dict[str, Callable[[Floats], Floats]] = {
    "predict raised ZeroDivisionError: division by zero": raises,
    "predicted nan in 1 zones": with_a(np.nan),
    "predicted inf in 1 zones": with_a(np.inf),
    "predicted -0.5 in 1 zones": with_a(-0.5),
    "predicted 1e+300 in 1 zones": with_a(1e300),
    "predicted an array of shape (264,)": lambda values: values[1:],
}


def hour_of(x: Features) -> int:
    return int(x[HOUR_OF_DAY][0])


@dataclass
class Fragile:
    """Predicts the mean of the hours that it has learned, and fails in some hours."""

    name: str = "fragile"
    fail_to_predict: dict[int, str] = field(default_factory=dict)  # hour -> fault
    fail_to_learn: tuple[int, ...] = ()  # hours
    learned: list[int] = field(default_factory=list)  # hours
    half_learned: bool = False

    def predict_many(self, x: Features) -> Floats:
        values = np.full(ZONE_COUNT, float(np.mean(self.learned or [0])))
        fault = self.fail_to_predict.get(hour_of(x))
        return values if fault is None else FAULTS[fault](values)

    def learn_many(self, x: Features, rides: Counts) -> None:
        self.half_learned = True
        if hour_of(x) in self.fail_to_learn:
            raise ValueError("no")
        self.learned.append(hour_of(x))
        self.half_learned = False


def forecasts_of(engine: ForecastEngine, first: int = 0, end: int = HOURS) -> list[Forecast]:
    """Learn the hours of [first, end); return the forecasts after each, and of hour 0 before."""
    found = [engine.predict_one(START)] if first == 0 else []
    for i in range(first, end):
        engine.learn_one(START + i * HOUR_MS, RIDES[i])
        found.append(engine.predict_one(START + (i + 1) * HOUR_MS))
    return found


def assert_valid(forecast: Forecast) -> None:
    assert np.isfinite(forecast.median).all()
    assert (forecast.lower >= 0).all()
    assert (forecast.lower <= forecast.median).all()
    assert (forecast.median <= forecast.upper).all()
    assert np.isfinite(forecast.upper).all()
    assert (forecast.mean >= 0.0001).all()
    assert np.isfinite(forecast.mean).all()


def use(monkeypatch: pytest.MonkeyPatch, *more: Fragile) -> None:
    monkeypatch.setattr(engine_module, "learners", lambda: (*learners(), *more))


def assert_others_equal(found: list[Forecast], expected: list[Forecast]) -> None:
    for one, other in zip(found, expected, strict=True):
        for name in other.by_model.keys() - {SERVED, "fragile"}:
            np.testing.assert_array_equal(one.by_model[name], other.by_model[name], name)


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("hour", [0, 5])
def test_the_seasonal_mean_stands_in_for_a_prediction_that_fails(
    monkeypatch: pytest.MonkeyPatch, fault: str, hour: int
) -> None:
    expected = forecasts_of(ForecastEngine())
    use(monkeypatch, Fragile(fail_to_predict={hour: fault}))
    engine = ForecastEngine()
    found = forecasts_of(engine)

    assert engine.take_failures() == [ModelFailure("fragile", START + hour * HOUR_MS, fault)]
    assert engine.take_failures() == []
    if hour:
        # The mean of past weeks is not known yet, nor that of past days: it is the last hour.
        np.testing.assert_array_equal(found[hour].by_model["fragile"], RIDES[hour - 1])
    for forecast in found:
        assert_valid(forecast)
    assert_others_equal(found, expected)


def test_a_model_that_fails_to_learn_is_as_before_that_hour(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    fragile = Fragile(fail_to_learn=(4,))
    use(monkeypatch, fragile)
    engine = ForecastEngine()
    for i in range(HOURS):
        engine.predict_one(START + i * HOUR_MS)
        engine.learn_one(START + i * HOUR_MS, RIDES[i])
        assert not fragile.half_learned

    assert fragile.learned == [i for i in range(HOURS) if i != 4]
    assert engine.take_failures() == [
        ModelFailure("fragile", START + 4 * HOUR_MS, "learn raised ValueError: no")
    ]


def test_a_state_that_cannot_predict_is_left_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    """An hour that spoils the state of the city's regression, and so that of the zones'."""
    learn = CityRegression.learn_many

    def spoiled(self: CityRegression, x: Features, rides: Counts) -> None:
        learn(self, x, rides)
        if np.array_equal(rides, RIDES[5]):
            self._regression._model._eta_arr[:] = np.nan

    monkeypatch.setattr(CityRegression, "learn_many", spoiled)
    engine = ForecastEngine()
    found = forecasts_of(engine)

    failures = [(f.model, (f.hour_ts - START) // HOUR_MS) for f in engine.take_failures()]
    assert failures == [("city_regression", 6), ("zone_regression", 6)]
    np.testing.assert_array_equal(found[6].by_model["city_regression"], RIDES[5])
    for forecast in found:
        assert_valid(forecast)


def test_a_city_regression_that_fails_to_learn_stops_that_of_the_zones_for_one_hour(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    learn = CityRegression.learn_many

    def fails(self: CityRegression, x: Features, rides: Counts) -> None:
        if np.array_equal(rides, RIDES[5]):
            raise np.linalg.LinAlgError("Singular matrix")
        learn(self, x, rides)

    monkeypatch.setattr(CityRegression, "learn_many", fails)
    engine = ForecastEngine()
    forecasts_of(engine)

    failures = engine.take_failures()
    assert [failure.model for failure in failures] == ["city_regression", "zone_regression"]
    assert {failure.hour_ts for failure in failures} == {START + 5 * HOUR_MS}
    assert failures[0].reason == "learn raised LinAlgError: Singular matrix"
    city, _, zones = engine._learners
    assert isinstance(city, CityRegression)
    assert isinstance(zones, ZoneRegression)
    assert zones._city is city  # it was restored in place
    assert city.hours == HOURS - 1


@pytest.mark.parametrize("fault", FAULTS)
def test_the_seasonal_mean_is_served_if_the_mixture_fails(
    monkeypatch: pytest.MonkeyPatch, fault: str
) -> None:
    predict = Mixture.predict

    def fails(self: Mixture, forecasts: Floats) -> Floats:
        mixed = predict(self, forecasts)
        return FAULTS[fault](mixed) if 7.0 < self._hours < 8.0 else mixed  # of 8 hours learned

    expected = forecasts_of(ForecastEngine())
    monkeypatch.setattr(Mixture, "predict", fails)
    engine = ForecastEngine()
    found = forecasts_of(engine)

    assert engine.take_failures() == [ModelFailure(SERVED, START + 8 * HOUR_MS, fault)]
    np.testing.assert_array_equal(found[8].median, np.maximum(RIDES[7], 0.0001))
    for forecast in found:
        assert_valid(forecast)
    assert_others_equal(found, expected)


@pytest.mark.parametrize("fault", FAULTS)
def test_the_seasonal_mean_stands_in_for_the_calibrated_mean_too(
    monkeypatch: pytest.MonkeyPatch, fault: str
) -> None:
    predict = CalibratedMean.predict
    calls = iter(range(HOURS + 1))

    def fails(self: CalibratedMean, median: Floats, usual: Floats) -> Floats:
        values = predict(self, median, usual)
        return FAULTS[fault](values) if next(calls) == 8 else values

    expected = forecasts_of(ForecastEngine())
    monkeypatch.setattr(CalibratedMean, "predict", fails)
    engine = ForecastEngine()
    found = forecasts_of(engine)

    failure = ModelFailure(f"{SERVED} (mean)", START + 8 * HOUR_MS, fault)
    assert engine.take_failures() == [failure]
    np.testing.assert_array_equal(found[8].mean, np.maximum(RIDES[7], 0.0001))
    for i, (one, other) in enumerate(zip(found, expected, strict=True)):
        assert_valid(one)
        np.testing.assert_array_equal(one.median, other.median)
        if i != 8:
            np.testing.assert_array_equal(one.mean, other.mean)


def test_intervals_stay_valid_whatever_the_models_may_predict(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class Wild(Fragile):
        def predict_many(self, x: Features) -> Floats:
            chance = np.random.default_rng(len(self.learned))
            return chance.choice([0.0, 1e-4, 1.0, MAX_RIDES], ZONE_COUNT)

    monkeypatch.setattr(engine_module, "learners", lambda: (Wild("a"), Wild("b")))
    engine = ForecastEngine()
    for forecast in forecasts_of(engine):
        assert_valid(forecast)
    assert engine.take_failures() == []


hours = st.integers(0, HOURS - 1)


@given(
    cut=st.integers(1, HOURS - 1),
    fail_to_predict=st.dictionaries(hours, st.sampled_from(sorted(FAULTS)), max_size=3),
    fail_to_learn=st.lists(hours, max_size=3),
    pickled=st.booleans(),
)
@few_examples(8)
def test_a_restart_from_a_snapshot_gives_the_same_digits_and_failures(
    cut: int, fail_to_predict: dict[int, str], fail_to_learn: list[int], pickled: bool
) -> None:
    with pytest.MonkeyPatch.context() as monkeypatch:
        use(monkeypatch, Fragile("fragile", fail_to_predict, tuple(fail_to_learn)))
        undisturbed = ForecastEngine()
        use(monkeypatch, Fragile("fragile", fail_to_predict, tuple(fail_to_learn)))
        engine = ForecastEngine()

    expected = forecasts_of(undisturbed)
    found = forecasts_of(engine, 0, cut)
    kept = engine.snapshot()
    forecasts_of(engine, cut)  # what the original does then does not change its snapshot
    restarted: ForecastEngine = pickle.loads(pickle.dumps(kept)) if pickled else kept
    found += forecasts_of(restarted, cut)
    assert restarted.take_failures() == undisturbed.take_failures()
    for one, other in zip(found, expected, strict=True):
        for name, values in other.by_model.items():
            np.testing.assert_array_equal(one.by_model[name], values, name)
        np.testing.assert_array_equal(one.lower, other.lower)
        np.testing.assert_array_equal(one.upper, other.upper)


@pytest.mark.parametrize("error", [MemoryError, OSError, KeyboardInterrupt])
def test_what_depends_on_the_machine_is_not_a_failure_of_the_model(
    monkeypatch: pytest.MonkeyPatch, error: type[BaseException]
) -> None:
    class Starved(Fragile):
        def learn_many(self, x: Features, rides: Counts) -> None:
            raise error

    use(monkeypatch, Starved())
    with pytest.raises(error):
        forecasts_of(ForecastEngine())


def test_the_dataflow_counts_failures_and_an_offline_replay_finds_the_same(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def new() -> tuple[object, ...]:
        fault = "predicted nan in 1 zones"
        return (*learners(), Fragile(fail_to_predict=dict.fromkeys(range(3, 9), fault)))

    monkeypatch.setattr(engine_module, "learners", new)
    counter = MODEL_FAILURES.labels("fragile")
    before = counter._value.get()
    hours = [CityHour(START + i * HOUR_MS, row) for i, row in enumerate(RIDES)]
    with caplog.at_level(logging.WARNING, logger="dataflows"):
        steps, _ = ForecastLogic(ForecastEngine()).on_batch([CityHour(START, None), *hours])
    forecasts = [step.forecast for step in steps]

    assert counter._value.get() - before > 1
    assert caplog.messages == [
        "model fragile failed in hour 2024-10-01T03: predicted nan in 1 zones; "
        "the seasonal mean stands in"
    ]
    offline = replay(START, RIDES).forecast
    for i, forecast in enumerate(forecasts[:-1]):
        for name, values in forecast.by_model.items():
            np.testing.assert_array_equal(offline.by_model[name][i], values, name)


def test_a_model_that_fails_often_is_one_line_a_minute(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    now = [1000.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    log = FailureLog()
    with caplog.at_level(logging.WARNING, logger="dataflows"):
        for _ in range(90):
            log.add([ModelFailure(model, START, "no") for model in ("a", "b")])
            now[0] += 1
    lines = [re.sub(" failed.*stands in", "", line) for line in caplog.messages]
    assert lines == [
        "model a",
        "model b",
        "model a (59 more since the last line)",
        "model b (59 more since the last line)",
    ]
