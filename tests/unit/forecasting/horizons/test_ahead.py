"""Forecasts several hours ahead: what they may see, when they learn, and that they are exact."""

import pickle
from collections.abc import Iterable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dataflows.forecasting.engine import ForecastEngine
from dataflows.forecasting.features import RideHistory
from dataflows.forecasting.horizons.ahead import AheadForecasters
from rushhour.core.arrays import Counts, Floats
from rushhour.core.forecast import Forecast
from rushhour.core.hours import HOUR_MS
from rushhour.core.models import SERVED
from rushhour.core.zones import ZONE_COUNT

START = 1_727_740_800_000  # 2024-10-01 00:00
HORIZONS = (2, 5, 24, 30)
HOURS = 9 * 24


def city_like(hours: int, seed: int = 0) -> Counts:
    """Random counts of busy, quiet and always empty zones, with a daily rhythm."""
    random = np.random.default_rng(seed)
    rate = random.gamma(0.5, 20, ZONE_COUNT) * (np.arange(ZONE_COUNT) % 3 > 0)
    rhythm = 1 + 0.8 * np.sin(np.arange(hours) / 24 * 2 * np.pi)
    return random.poisson(rhythm[:, None] * rate)


class Ahead:
    """The forecasters ahead with the history that they share, without those of the next hour."""

    def __init__(self, horizons: Iterable[int] = HORIZONS) -> None:
        self._history = RideHistory()
        self._forecasters = AheadForecasters(self._history, horizons)

    def forecasts(self, rides: Counts, first: int = 0) -> list[dict[int, Forecast]]:
        """Predict and learn each hour in turn; return what was forecast before each."""
        found = []
        for i, hour in enumerate(rides, first):
            found.append(self._forecasters.predict(START + i * HOUR_MS))
            self._history.append(hour)
            self._forecasters.learn(START + i * HOUR_MS, hour)
        return found


def columns(forecast: Forecast) -> list[Floats]:
    return [*forecast.by_model.values(), forecast.lower, forecast.upper]


def equal(one: Forecast, other: Forecast) -> bool:
    same = zip(columns(one), columns(other), strict=True)
    return one.hour_ts == other.hour_ts and all(
        np.array_equal(a, b, equal_nan=True) for a, b in same
    )


@pytest.fixture(scope="module")
def rides() -> Counts:
    return city_like(HOURS)


@pytest.fixture(scope="module")
def plain(rides: Counts) -> list[dict[int, Forecast]]:
    return Ahead().forecasts(rides)


@pytest.mark.parametrize("changed", [1, 30, HOURS - 40])
def test_a_forecast_sees_nothing_of_the_hours_within_its_horizon(
    rides: Counts, plain: list[dict[int, Forecast]], changed: int
) -> None:
    """From some hour on all rides are others: a forecast made before that hour is the same."""
    later = rides.copy()
    later[changed:] = city_like(HOURS, seed=1)[changed:] + 7

    others = Ahead().forecasts(later[: changed + 1])

    for made, (by_horizon, theirs) in enumerate(zip(plain, others, strict=False)):
        for horizon, forecast in by_horizon.items():
            # The last closed hour is `horizon` hours before the one that is forecast.
            assert forecast.hour_ts == START + (made - 1 + horizon) * HOUR_MS
            assert equal(forecast, theirs[horizon]), (made, horizon)


def test_a_forecast_sees_the_last_hour_before_its_horizon(
    rides: Counts, plain: list[dict[int, Forecast]]
) -> None:
    changed = HOURS - 40
    later = rides.copy()
    later[changed] += 50

    others = Ahead().forecasts(later[: changed + 2])

    for horizon, forecast in plain[changed + 1].items():
        assert not equal(forecast, others[changed + 1][horizon]), horizon


@given(changed=st.integers(24, 90), horizon=st.integers(2, 168), seed=st.integers(0, 99))
def test_no_horizon_sees_ahead_whatever_comes(changed: int, horizon: int, seed: int) -> None:
    rides = city_like(changed + 1)
    later = rides.copy()
    later[changed] = city_like(1, seed)[0] * 3

    one, other = (Ahead((horizon,)).forecasts(counts) for counts in (rides, later))

    assert all(equal(a[horizon], b[horizon]) for a, b in zip(one, other, strict=True))


def test_the_forecasts_of_the_next_hour_are_those_of_a_run_without_horizons(
    rides: Counts,
) -> None:
    alone, among = ForecastEngine(), ForecastEngine(HORIZONS)
    for i, hour in enumerate(rides[:60]):
        ts = START + i * HOUR_MS
        assert equal(alone.predict_one(ts), among.predict_one(ts))
        assert alone.predict_ahead() == {}
        among.predict_ahead()
        changes = alone.learn_one(ts, hour), among.learn_one(ts, hour)
        assert np.array_equal(*changes, equal_nan=True)


def test_a_pickled_engine_continues_to_the_last_bit(rides: Counts) -> None:
    engine = ForecastEngine(HORIZONS)
    for i, hour in enumerate(rides[:60]):
        step(engine, i, hour)
    snapshot = engine.snapshot()
    restored = pickle.loads(pickle.dumps(snapshot))

    runs = [
        [step(each, i, hour) for i, hour in enumerate(rides[60:66], 60)]
        for each in (engine, restored, snapshot)  # the snapshot last: later hours do not touch it
    ]

    for ours, *others in zip(*runs, strict=True):
        for theirs in others:
            assert ours.keys() == theirs.keys() == set(HORIZONS)
            assert all(equal(ours[horizon], theirs[horizon]) for horizon in ours)


def step(engine: ForecastEngine, hour: int, rides: Counts) -> dict[int, Forecast]:
    engine.predict_one(START + hour * HOUR_MS)
    ahead = engine.predict_ahead()
    engine.learn_one(START + hour * HOUR_MS, rides)
    return ahead


def test_forecasts_ahead_are_counts_within_their_intervals(
    plain: list[dict[int, Forecast]],
) -> None:
    for forecast in (forecast for by_horizon in plain for forecast in by_horizon.values()):
        assert list(forecast.by_model) == [SERVED]
        assert (forecast.median > 0).all()
        assert (forecast.lower >= 0).all()
        assert (forecast.lower <= forecast.median).all()
        assert (forecast.median <= forecast.upper).all()


def test_a_rhythm_of_a_day_is_learned_at_each_horizon(
    rides: Counts, plain: list[dict[int, Forecast]]
) -> None:
    """After a week the forecasts are near what is expected, not near the mean of the day."""
    mean = np.abs(rides[-24:] - rides.mean(axis=0)).mean()
    for horizon in HORIZONS:
        errors = [
            np.abs(plain[hour - horizon + 1][horizon].median - rides[hour]).mean()
            for hour in range(HOURS - 24, HOURS)
        ]
        assert np.mean(errors) < 0.5 * mean


def test_it_predicts_further_ahead_only_beside_the_next_hour() -> None:
    with pytest.raises(ValueError, match="first predict the next hour"):
        ForecastEngine(HORIZONS).predict_ahead()
