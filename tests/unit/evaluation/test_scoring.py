"""The figures of the report and the backtest, against numbers worked out by hand."""

from dataclasses import fields, replace
from math import isnan, log, sqrt

import numpy as np
import pytest

from rushhour.core.arrays import Floats
from rushhour.core.forecast import Forecast
from rushhour.core.hours import HOUR_MS
from rushhour.core.models import REFERENCE
from rushhour.core.zones import ZONE_COUNT
from rushhour.simulator.evaluation.run_arrays import WARM_UP_HOURS, RunArrays
from rushhour.simulator.evaluation.scoring import Score, evaluate, mae_by_hour_of_day, score

START = 1_727_740_800_000  # 2024-10-01 00:00
NAN = float("nan")


def table(*rows: list[float]) -> Floats:
    return np.array(rows, np.float64)


def run_of(
    start_ts: int,
    rides: Floats,
    by_model: dict[str, Floats],
    lower: Floats,
    upper: Floats,
    mean: Floats | None = None,
) -> RunArrays:
    """A run; its mean is that of the first model unless it is given."""
    if mean is None:
        mean = next(iter(by_model.values()))
    forecast = Forecast(start_ts, by_model, mean, lower, upper)
    return RunArrays(rides, forecast, np.full_like(rides, NAN))


# Two hours of two zones. Errors of the served model: +1, -2, 0, +4; of the reference: -, -4, 2, -.
SMALL = run_of(
    START,
    rides=table([2, 4], [0, 10]),
    by_model={
        "served": table([3, 2], [0, 14]),
        "at_times": table([NAN, NAN], [1, 13]),
        "silent": table([NAN, NAN], [NAN, NAN]),
        REFERENCE: table([NAN, 0], [2, NAN]),
    },
    lower=table([2, 3], [0, 11]),  # the first and the third hold, at the very edge
    upper=table([5, 3.5], [0, 20]),
)


def test_every_figure_is_what_its_definition_says() -> None:
    found = score(SMALL, "served")
    assert found.pairs == 4
    assert found.mae == 7 / 4
    assert found.rmse == sqrt(21 / 4)
    assert found.wape == 7 / 16
    assert found.bias == 3 / 4
    assert found.skill == 1 - 2 / 6  # over the two pairs that both have: 2 + 0 against 4 + 2
    assert found.coverage == 2 / 4
    # Half the errors of the median (7), a twentieth of the widths (12.5), what lies outside (1.5).
    assert found.wis == pytest.approx((7 / 2 + 12.5 / 20 + 0.5 + 1) / 1.5 / 4)


def test_the_mean_has_scores_of_its_own() -> None:
    mean = table([2, 3], [0.5, 10])
    found = score(replace(SMALL, forecast=replace(SMALL.forecast, mean=mean)), "served")
    assert (found.mae, found.wape, found.skill) == (7 / 4, 7 / 16, 1 - 2 / 6)
    assert found.rmse == sqrt((1 + 0.25) / 4)
    assert found.bias == -0.5 / 4
    assert found.deviance == pytest.approx((2 * (4 * log(4 / 3) - 1) + 2 * 0.5) / 4)
    assert score(SMALL, REFERENCE).bias == -1.0


def test_another_model_is_scored_over_its_own_pairs_without_coverage() -> None:
    found = score(SMALL, REFERENCE)
    assert (found.pairs, found.mae, found.bias, found.skill) == (2, 3.0, -1.0, 0.0)
    assert found.wape == 6 / 4
    assert isnan(found.coverage)
    assert isnan(found.wis)


def test_skill_is_over_the_pairs_that_both_have() -> None:
    found = score(SMALL, "at_times")
    assert (found.pairs, found.mae) == (2, 2.0)
    assert found.skill == 1 - 1 / 2


def test_without_a_pair_figures_are_nan_and_not_zero() -> None:
    found = score(SMALL, "silent")
    assert found.pairs == 0
    figures = [getattr(found, field.name) for field in fields(Score) if field.name != "pairs"]
    assert all(map(isnan, figures))


def test_hours_without_rides_do_not_count() -> None:
    unknown = RunArrays(table([2, 4], [NAN, NAN]), SMALL.forecast, SMALL.alerts)
    found = score(unknown, "served")
    assert (found.pairs, found.mae, found.coverage) == (2, 1.5, 1 / 2)


def city(hours: int) -> RunArrays:
    """Rides in zones 1 (EWR), 4 and 12 (Manhattan); zone 4 only in the first hour of all."""
    rides = np.zeros((hours, ZONE_COUNT))
    rides[:, 0] = 1
    rides[0, 3] = 5
    rides[:, 11] = 30
    served = rides + 1.0
    served[:WARM_UP_HOURS] += 100.0  # cold, and far off
    reference = rides + 2.0
    reference[:WARM_UP_HOURS] = NAN
    return run_of(
        START, rides, {"served": served, REFERENCE: reference}, served - 1.0, served + 3.0
    )


def test_the_first_week_and_zones_without_rides_are_not_scored() -> None:
    judged = evaluate(city(WARM_UP_HOURS + 10))
    assert judged.first_hour == START + WARM_UP_HOURS * HOUR_MS
    assert judged.last_hour == START + (WARM_UP_HOURS + 9) * HOUR_MS
    assert (judged.zones, judged.pairs, judged.served) == (3, 30, "served")
    served = judged.by_model["served"]
    assert (served.mae, served.skill, served.coverage) == (1.0, 0.5, 1.0)
    assert list(judged.by_model) == ["served", REFERENCE]


@pytest.mark.parametrize("hours", [10, WARM_UP_HOURS])
def test_a_run_no_longer_than_the_warm_up_is_scored_whole(hours: int) -> None:
    judged = evaluate(city(hours))
    assert judged.first_hour == START
    assert judged.pairs == 3 * hours
    assert judged.by_model["served"].mae == 101.0


def test_boroughs_are_scored_apart_the_busiest_first() -> None:
    judged = evaluate(city(WARM_UP_HOURS + 10))
    assert [(line.borough, line.rides, line.score.pairs) for line in judged.by_borough] == [
        ("Manhattan", 300, 20),  # zone 4 had its rides before the judged hours, and counts
        ("EWR", 10, 10),
    ]
    assert [line.score.wape for line in judged.by_borough] == [20 / 300, 10 / 10]


def test_bands_are_those_of_the_predictions() -> None:
    judged = evaluate(city(WARM_UP_HOURS + 10))  # predictions are 1, 2 and 31
    assert [
        (line.band, line.pairs, line.bias, line.coverage, line.width) for line in judged.by_band
    ] == [
        ("1-5", 20, 20 / 10, 1.0, 4.0),
        ("20-100", 10, 10 / 300, 1.0, 4.0),
    ]
    half = evaluate(SMALL_CITY)
    assert [(line.band, line.pairs, line.coverage) for line in half.by_band] == [
        ("0-1", 1, 1.0),
        ("1-5", 2, 0.5),
        ("5-20", 1, 0.0),
    ]


SMALL_CITY = replace(
    SMALL, forecast=replace(SMALL.forecast, by_model={"served": SMALL.forecast.median})
)


def test_without_the_reference_there_is_no_skill() -> None:
    assert isnan(score(SMALL_CITY, "served").skill)


def test_the_error_by_hour_of_day_follows_the_clock_and_not_the_run() -> None:
    hours = 50
    predicted = np.arange(hours, dtype=np.float64)[:, None]
    forecasts = run_of(
        START + 5 * HOUR_MS, np.zeros((hours, 1)), {"served": predicted}, predicted, predicted
    )
    by_hour = mae_by_hour_of_day(forecasts, "served")
    assert by_hour.shape == (24,)
    assert by_hour[5] == (0 + 24 + 48) / 3
    assert by_hour[4] == (23 + 47) / 2
    assert by_hour[7] == (2 + 26) / 2
