"""The scores of a window of hours: by the same definitions as everywhere."""

import numpy as np
import pytest

from rushhour.core.forecast import Forecast
from rushhour.core.zones import ZONE_COUNT, zones
from rushhour.scoring.bands import BANDS
from rushhour.simulator.evaluation.run_arrays import RunArrays
from rushhour.simulator.evaluation.scoring import mae_by_hour_of_day, score
from rushhour.simulator.web.monitoring.hour_scores import HourScores, score_hour
from rushhour.simulator.web.monitoring.windows import (
    ROLLING_HOURS,
    WORST_ZONES,
    model_scores,
    window_scores,
)
from rushhour.storage.hour_tables import HourTables

START = 1_727_740_800_000  # 2024-10-01
HOUR = 3_600_000
HOURS = 60
LATE = 30  # the reference has no prediction in the first hours


@pytest.fixture(scope="module")
def tables() -> list[HourTables]:
    draw = np.random.default_rng(5)
    made = []
    for index in range(HOURS):
        rides = draw.poisson(np.linspace(0, 130, ZONE_COUNT)).astype(float)
        served = np.round(rides * draw.uniform(0.7, 1.2, ZONE_COUNT) + 0.3, 4)
        reference = np.full(ZONE_COUNT, np.nan) if index < LATE else served + draw.normal(size=265)
        forecast = Forecast(
            START + index * HOUR,
            {"mixture": served, "same_hour_last_week": reference},
            mean=served * 1.25,
            lower=np.floor(served * 0.9),
            upper=np.ceil(served * 1.1),
        )
        made.append(HourTables(rides, forecast, np.full(ZONE_COUNT, np.nan)))
    return made


@pytest.fixture(scope="module")
def hours(tables: list[HourTables]) -> list[HourScores]:
    return [score_hour(each) for each in tables]


def test_figures_are_those_of_the_report(tables: list[HourTables], hours: list[HourScores]) -> None:
    arrays = RunArrays.of(START, tables)
    expected = score(arrays, "mixture")
    found = window_scores(hours)
    for name in ("mae", "bias", "wape", "skill", "coverage"):
        assert found["served"][name] == pytest.approx(getattr(expected, name), abs=1e-4), name
    by_hour = mae_by_hour_of_day(arrays, "mixture")
    assert found["by_hour_of_day"] == pytest.approx(by_hour.tolist(), abs=1e-4)
    for row in found["by_borough"]:
        inside = np.array([zone.borough == row["borough"] for zone in zones()])
        part = score(arrays.select(slice(0, None), np.flatnonzero(inside)), "mixture")
        assert row["mae"] == pytest.approx(part.mae, abs=1e-4)
        assert row["wape"] == (pytest.approx(part.wape, abs=1e-4) if part.wape < np.inf else None)
        assert row["zones"] == inside.sum()
    assert sum(row["zones"] for row in found["by_borough"]) == ZONE_COUNT
    assert [row["band"] for row in found["bands"]] == list(BANDS)
    assert sum(row["pairs"] for row in found["bands"]) == expected.pairs


def test_the_worst_zones_come_first(tables: list[HourTables], hours: list[HourScores]) -> None:
    errors = np.array([each.forecast.mean - each.rides for each in tables])
    mae = np.mean([np.abs(each.forecast.median - each.rides) for each in tables], axis=0)
    found = window_scores(hours)["worst_zones"]
    assert len(found) == WORST_ZONES
    assert [row["zone"] - 1 for row in found] == np.argsort(-mae)[:WORST_ZONES].tolist()
    first = found[0]
    column = first["zone"] - 1
    assert (first["mae"], first["bias"]) == pytest.approx(
        (mae[column], errors[:, column].mean()), abs=1e-4
    )


def test_the_rolling_error_is_over_the_day_that_ends_with_each_hour(
    tables: list[HourTables], hours: list[HourScores]
) -> None:
    by_hour = {each.hour_ts: each.by_model["mixture"] for each in hours}
    window = range(START, START + HOURS * HOUR, HOUR)
    found = model_scores(by_hour, window)
    for index, value in enumerate(found["rolling_mae"]):
        day = tables[max(0, index - ROLLING_HOURS + 1) : index + 1]
        expected = np.mean([np.abs(each.forecast.median - each.rides) for each in day])
        assert value == pytest.approx(expected, abs=1e-4)
    # A window that begins later has the same values: the hours before it count.
    later = model_scores(by_hour, window[40:])
    assert later["rolling_mae"] == found["rolling_mae"][40:]


def test_a_model_without_predictions_has_no_figures(hours: list[HourScores]) -> None:
    by_hour = {each.hour_ts: each.by_model["same_hour_last_week"] for each in hours}
    found = model_scores(by_hour, range(START, START + LATE * HOUR, HOUR))
    assert (found["rolling_mae"], found["mae"], found["pairs"]) == ([None] * LATE, None, 0)
    assert model_scores({}, range(START, START + HOUR, HOUR))["mae"] is None
    assert model_scores({}, range(START, START, HOUR))["rolling_mae"] == []


def test_no_hour_has_no_scores() -> None:
    found = window_scores([])
    assert found["served"] is None
    assert not any(found[name] for name in found if name != "served")
