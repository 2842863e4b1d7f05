"""What the README says of the forecasts, held to by a backtest of the yellow month."""

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from rushhour.core.hours import HOUR_MS, HOURS_PER_DAY, parse_from
from rushhour.core.zones import FIRST_ZONE
from rushhour.simulator.evaluation.demand import find_demand
from rushhour.simulator.evaluation.offline import replay, replay_horizons
from rushhour.simulator.evaluation.run_arrays import RunArrays
from rushhour.simulator.evaluation.scoring import Evaluation, evaluate

JFK = 132


def backtest(
    file: Path, surge: str | None = None, dataset: str = "yellow"
) -> tuple[int, RunArrays]:
    """Return the first hour (epoch ms) and the run as arrays."""
    flags = {"data": file, "month": "2024-10", "surge": surge, "dataset": dataset}
    demand = find_demand(flags, synthetic=False)
    return demand.start_ts, replay(demand.start_ts, demand.rides.to_numpy(np.int64))


@pytest.fixture(scope="module")
def plain(yellow_file: Path) -> RunArrays:
    return backtest(yellow_file)[1]


@pytest.fixture(scope="module")
def judged(plain: RunArrays) -> Evaluation:
    return evaluate(plain)


def test_the_mixture_is_better_than_each_of_its_parts_and_than_2_75(judged: Evaluation) -> None:
    assert judged.pairs == 261 * 576
    served, *others = judged.by_model.values()
    assert served.mae <= 2.75
    assert served.skill > 0.3
    assert all(served.mae < other.mae for other in others)


def test_nine_in_ten_rides_lie_within_their_interval_whatever_the_demand(
    judged: Evaluation,
) -> None:
    assert 0.88 <= judged.by_model[judged.served].coverage <= 0.92
    assert len(judged.by_band) == 5
    for band in judged.by_band:
        assert 0.88 <= band.coverage <= 0.92, band


@pytest.mark.parametrize("dataset", ["yellow", "green"])
def test_expected_rides_add_up(
    dataset: str, plain: RunArrays, request: pytest.FixtureRequest
) -> None:
    run = plain
    if dataset == "green":
        run = backtest(request.getfixturevalue("green_file"), dataset=dataset)[1]
    judged = evaluate(run)
    rides = sum(each.rides for each in judged.by_borough)
    served = judged.by_model[judged.served]
    assert abs(served.bias * served.pairs) < 0.01 * rides
    for each in judged.by_borough:
        if each.rides > 1000:
            assert abs(each.score.bias * each.score.pairs) < 0.1 * each.rides, each
    # By what was predicted; below 0.1 rides are too rare to tell.
    scored = run.after_warm_up()
    mean, counted = scored.forecast.mean, scored.rides
    for low, high in pairwise((0.1, 1, 5, 20, 100, np.inf)):
        inside = (low <= mean) & (mean < high)
        if inside.any():
            assert mean[inside].sum() == pytest.approx(counted[inside].sum(), rel=0.1), low


def test_no_zone_is_left_uncovered(plain: RunArrays) -> None:
    judged = plain.after_warm_up()
    assert (judged.forecast.lower >= 0).all()
    with_rides = judged.rides.sum(axis=0) > 0
    lower, upper = judged.forecast.lower, judged.forecast.upper
    covered = (lower <= judged.rides) & (judged.rides <= upper)
    by_zone = covered[:, with_rides].mean(axis=0)
    assert by_zone.min() > 0.83
    assert by_zone.max() < 0.98


def test_on_a_plain_month_there_is_less_than_one_alert_for_two_zones(plain: RunArrays) -> None:
    zones = int((plain.rides.sum(axis=0) > 0).sum())
    assert 0 < (~np.isnan(plain.alerts)).sum() < zones / 2


def test_a_doubled_airport_raises_an_alert_within_a_day(
    yellow_file: Path, plain: RunArrays
) -> None:
    step = parse_from("2024-10-20")
    start_ts, surged = backtest(yellow_file, f"{JFK}:2.0@2024-10-20")
    first = (step - start_ts) // HOUR_MS
    column = JFK - FIRST_ZONE
    day = slice(first, first + HOURS_PER_DAY)
    assert (surged.alerts[day, column] > 0).any()
    assert np.isnan(plain.alerts[day, column]).all()
    # Everything before is the same as without the step.
    assert np.array_equal(surged.alerts[:first], plain.alerts[:first], equal_nan=True)


def test_hours_further_ahead_are_forecast_better_than_by_last_week(yellow_file: Path) -> None:
    demand = find_demand({"data": yellow_file, "month": "2024-10"}, synthetic=False)
    most = {2: 3.09, 3: 3.20, 6: 3.44, 12: 3.53, 24: 3.67}  # MAE
    rides = demand.rides.to_numpy(np.int64)
    run = replay_horizons(demand.start_ts, rides, (1, *most)).run
    for horizon, mae in most.items():
        judged = evaluate(run.at(horizon))
        found = judged.by_model[judged.served]
        assert judged.pairs == 261 * 576
        assert found.mae <= mae, horizon
        assert 0.88 <= found.coverage <= 0.92, horizon
