"""The offline replay and its CSV; which rides a backtest replays."""

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pytest

from dataflows.forecasting.engine import ForecastEngine
from dataflows.forecasting.forecasters import model_names
from rushhour.core.errors import DataError, UsageError
from rushhour.core.hours import HOUR_MS, hour_label
from rushhour.core.models import REFERENCE, SERVED
from rushhour.core.zones import ZONE_COUNT, ZONE_IDS
from rushhour.simulator.commands.backtest import busiest_zone, write_csv
from rushhour.simulator.evaluation.demand import find_demand
from rushhour.simulator.evaluation.offline import replay, replay_horizons
from rushhour.simulator.evaluation.run_arrays import RunArrays

START = 1_727_740_800_000  # 2024-10-01 00:00
HOURS = 60
SURGED_ZONE, SURGED_FROM = 132, 50


def counts() -> npt.NDArray[np.int64]:
    random = np.random.default_rng(7)
    rate = random.gamma(0.5, 20, ZONE_COUNT)
    rate[SURGED_ZONE - 1] = 100.0
    rides = random.poisson(np.tile(rate, (HOURS, 1)))
    rides[SURGED_FROM:, SURGED_ZONE - 1] *= 6
    return rides


@pytest.fixture(scope="module")
def replayed() -> RunArrays:
    return replay(START, counts())


def test_each_hour_is_forecast_by_every_model_before_it_comes(replayed: RunArrays) -> None:
    found = replayed.forecast
    assert tuple(found.by_model) == model_names()
    assert found.served_model == model_names()[0]
    engine = ForecastEngine()
    forecast = engine.predict_one(START)
    for i, rides in enumerate(counts()):
        assert forecast.hour_ts == START + i * HOUR_MS
        for model, predicted in forecast.by_model.items():
            assert predicted.tobytes() == found.by_model[model][i].tobytes()
        assert forecast.mean.tobytes() == found.mean[i].tobytes()
        assert forecast.lower.tobytes() == found.lower[i].tobytes()
        assert forecast.upper.tobytes() == found.upper[i].tobytes()
        assert rides.tolist() == replayed.rides[i].tolist()
        changes = engine.learn_one(forecast.hour_ts, rides)
        forecast = engine.predict_one(forecast.hour_ts + HOUR_MS)
        assert changes.tobytes() == replayed.alerts[i].tobytes()


def test_later_hours_do_not_change_earlier_forecasts(replayed: RunArrays) -> None:
    cut = 40
    changed = counts()
    changed[cut:] = changed[cut:][::-1] + 3
    other = replay(START, changed)
    for model, predicted in replayed.forecast.by_model.items():
        found = other.forecast.by_model[model]
        assert found[: cut + 1].tobytes() == predicted[: cut + 1].tobytes()
        if model in {
            other.forecast.served_model,
            "last_hour",
        }:
            assert found[cut + 1 :].tobytes() != predicted[cut + 1 :].tobytes()
    mean, found = replayed.forecast.mean, other.forecast.mean
    assert found[: cut + 1].tobytes() == mean[: cut + 1].tobytes()
    assert found[cut + 1 :].tobytes() != mean[cut + 1 :].tobytes()
    assert other.alerts[:cut].tobytes() == replayed.alerts[:cut].tobytes()


def test_an_alert_belongs_to_the_hour_that_raised_it(replayed: RunArrays) -> None:
    hours = np.flatnonzero(~np.isnan(replayed.alerts[:, SURGED_ZONE - 1]))
    assert SURGED_FROM in hours + np.arange(-3, 1)[:, None]  # soon after, and never before
    assert (hours[hours > 30] >= SURGED_FROM).all()
    assert replayed.alerts[hours[hours >= SURGED_FROM][0], SURGED_ZONE - 1] > 0


def test_progress_is_reported_once_per_hour() -> None:
    calls: list[int] = []
    replay(START, counts()[:5], lambda: calls.append(1))
    assert len(calls) == 5


def test_the_busiest_zone_has_the_most_rides(replayed: RunArrays) -> None:
    assert busiest_zone(replayed) == 1 + counts().sum(axis=0).argmax()


def test_the_csv_has_a_row_for_each_hour_and_zone(replayed: RunArrays, tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    assert write_csv(replayed, path) == HOURS * ZONE_COUNT
    table = pd.read_csv(path)
    served, *challengers = model_names()
    assert list(table.columns) == [
        "pickup_hour", "pickup_location_id", "predicted_demand", "rides", "prediction_error",
        "predicted_median", "lower", "upper", *challengers,
    ]  # fmt: skip
    assert table["pickup_hour"].iloc[ZONE_COUNT] == "2024-10-01 01:00:00+00:00"
    assert table["pickup_location_id"].tolist() == list(ZONE_IDS) * HOURS
    forecast = replayed.forecast
    assert table["predicted_demand"].tolist() == forecast.mean.ravel().tolist()
    assert table["predicted_median"].tolist() == forecast.by_model[served].ravel().tolist()
    assert table["rides"].tolist() == counts().ravel().tolist()
    assert table["upper"].tolist() == forecast.upper.ravel().tolist()
    assert table["last_hour"].isna().sum() == ZONE_COUNT
    error = table["predicted_demand"] - table["rides"]
    assert (table["prediction_error"] - error).abs().max() < 1e-9


# Which rides are replayed.


@pytest.fixture(scope="module")
def hourly(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Hourly rides of 30 September 20:00 to 2 October 03:00: zone 1 has as many as its hour."""
    hours = pd.date_range("2024-09-30 20:00", "2024-10-02 03:00", freq="h")
    table = pd.DataFrame({"pickup_hour": hours, "rides": hours.hour, "pickup_location_id": 1})
    path = tmp_path_factory.mktemp("counts") / "store.parquet"
    table.to_parquet(path, index=False)
    return path


@pytest.fixture(autouse=True)
def no_settings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("DATA", "DATA_DIR", "MONTH", "FROM", "UNTIL", "SURGE", "DATASET"):
        monkeypatch.delenv(f"RUSHHOUR_{name}", raising=False)
    monkeypatch.setenv("RUSHHOUR_CACHE_DIR", str(tmp_path))


@pytest.mark.parametrize(
    ("flags", "first", "hours"),
    [
        ({}, "2024-09-30T20", 32),
        ({"month": "2024-09"}, "2024-09-30T20", 4),
        ({"month": "2024-10"}, "2024-10-01T00", 28),
        ({"from_hour": "2024-09-30 23:00", "until_hour": "2024-10-01"}, "2024-09-30T23", 25),
        ({"until_hour": "2024-10-01 05:00"}, "2024-09-30T20", 10),
    ],
)
def test_all_hours_of_a_file_of_counts_are_used_unless_fewer_are_given(
    hourly: Path, flags: dict[str, Any], first: str, hours: int
) -> None:
    demand = find_demand({"data": hourly, **flags}, synthetic=False)
    assert hour_label(demand.start_ts) == first
    assert demand.rides.shape == (hours, ZONE_COUNT)
    start = int(first[-2:])
    assert demand.rides[1].tolist() == [(start + i) % 24 for i in range(hours)]
    assert demand.label == "hourly rides of store.parquet"


def test_a_surge_of_counts_begins_with_its_own_hour_and_is_in_the_label(hourly: Path) -> None:
    flags = {"data": hourly, "surge": "1:0.1@2024-09-30 22:00", "from_hour": "2024-09-30 23:00"}
    demand = find_demand(flags, synthetic=False)
    assert demand.rides[1].tolist()[:5] == [2, 0, 0, 0, 1]  # after the 2 of 22 at 22:00
    assert demand.label == (
        "hourly rides of store.parquet, what if: zone 1 x 0.1 from 2024-09-30 22:00"
    )


@pytest.mark.parametrize(
    ("flags", "kind", "message"),
    [
        ({"month": "2024-11"}, DataError, "has 2024-09-30 20:00 to 2024-10-02 03:00: check"),
        ({"from_hour": "2024-09-30"}, UsageError, "are not hours of the file"),
        ({"until_hour": "2024-10-02"}, UsageError, "are not hours of the file"),
        (
            {"from_hour": "2024-10-02", "until_hour": "2024-10-01"},
            UsageError,
            "are not hours of the file",
        ),
        ({"surge": "1:2@2024-10-03"}, UsageError, "begins after the last hour"),
        ({"from_hour": "2024-10-01", "until_hour": "2024-10-01 00:00"}, DataError, "no rides from"),
        ({"from_hour": "soon"}, UsageError, "'soon' is not an hour"),
    ],
)
def test_hours_outside_of_a_file_of_counts_are_refused(
    hourly: Path, flags: dict[str, Any], kind: type[Exception], message: str
) -> None:
    with pytest.raises(kind) as refused:
        find_demand({"data": hourly, **flags}, synthetic=False)
    assert message in str(refused.value)


def test_a_month_of_trips_is_the_one_of_up(green_file: Path) -> None:
    flags = {"dataset": "green", "data": green_file, "until_hour": "2024-10-03"}
    demand = find_demand(flags, synthetic=False)
    assert demand.label == f"green 2024-10, {green_file.name}"
    assert (hour_label(demand.start_ts), len(demand.rides)) == ("2024-10-01T00", 72)


def test_a_synthetic_month_is_labelled() -> None:
    demand = find_demand({"dataset": "green", "month": "2024-02"}, synthetic=True)
    assert demand.label == "green 2024-02, SYNTHETIC (made-up trips from mean rates)"
    assert len(demand.rides) == 29 * 24


def test_without_a_file_the_error_names_how_to_get_one() -> None:
    with pytest.raises(DataError, match=r"green_tripdata_2024-10\.parquet is not on this machine"):
        find_demand({"dataset": "green"}, synthetic=False)


HORIZONS = (1, 2, 30)


@pytest.fixture(scope="module")
def by_horizon() -> dict[int, RunArrays]:
    run = replay_horizons(START, counts(), HORIZONS).run
    return {horizon: run.at(horizon) for horizon in HORIZONS}


def test_a_run_further_ahead_has_the_forecasts_that_were_made_so_many_hours_before(
    by_horizon: dict[int, RunArrays],
) -> None:
    engine, rides = ForecastEngine(HORIZONS), counts()
    for i, of_hour in enumerate(rides):
        engine.predict_one(START + i * HOUR_MS)
        for horizon, forecast in engine.predict_ahead().items():
            run, hour = by_horizon[horizon], i + horizon - 1
            if hour < HOURS:
                assert run.start_ts + hour * HOUR_MS == forecast.hour_ts
                assert run.forecast.median[hour].tolist() == forecast.median.tolist()
                assert run.forecast.upper[hour].tolist() == forecast.upper.tolist()
        engine.learn_one(START + i * HOUR_MS, of_hour)
    for horizon, run in by_horizon.items():
        assert np.isnan(run.forecast.median[: horizon - 1]).all()
        assert not np.isnan(run.forecast.median[horizon - 1 :]).any()
        assert np.array_equal(run.rides, rides)


def test_all_horizons_are_judged_by_the_same_reference(by_horizon: dict[int, RunArrays]) -> None:
    reference = by_horizon[1].forecast.by_model[REFERENCE]
    for run in by_horizon.values():
        assert np.array_equal(run.forecast.by_model[REFERENCE], reference, equal_nan=True)
        assert run.forecast.served_model == SERVED


def test_the_next_hour_is_the_same_beside_other_horizons(
    replayed: RunArrays, by_horizon: dict[int, RunArrays]
) -> None:
    for model, predicted in replayed.forecast.by_model.items():
        assert predicted.tobytes() == by_horizon[1].forecast.by_model[model].tobytes()


def test_a_table_has_a_forecast_of_each_horizon(
    by_horizon: dict[int, RunArrays], tmp_path: Path
) -> None:
    path = tmp_path / "backtest.csv"
    write_csv(by_horizon[1], path)
    table = pd.read_csv(path)
    assert list(table.columns)[-8:] == [
        f"{name}_{horizon}h"
        for horizon in (2, 30)
        for name in ("predicted_demand", "predicted_median", "lower", "upper")
    ]
    assert table["predicted_demand_30h"].isna().sum() == 29 * ZONE_COUNT
    last = by_horizon[30].forecast
    for name, predicted in (("demand", last.mean), ("median", last.median)):
        column = table[f"predicted_{name}_30h"].tail(ZONE_COUNT)
        assert column.tolist() == predicted[-1].tolist()
