"""How good a run's forecasts are: the scores that the report and the backtest show.

The definitions of the scores are in `rushhour.scoring`. A pair is one zone in one hour that has
both a prediction and rides.
"""

from dataclasses import dataclass

import numpy as np

from rushhour.core.arrays import Floats, Ints
from rushhour.core.horizons import NEXT_HOUR
from rushhour.core.hours import HOUR_MS, HOURS_PER_DAY
from rushhour.core.models import REFERENCE
from rushhour.core.zones import zones
from rushhour.scoring.bands import BANDS, sum_by_band
from rushhour.scoring.coverage import is_covered
from rushhour.scoring.errors import ErrorSums
from rushhour.scoring.interval_score import weighted_interval_score
from rushhour.scoring.ratios import mean_known, ratio
from rushhour.simulator.evaluation.run_arrays import RunArrays


@dataclass(frozen=True, slots=True)
class Score:
    """Figures over the pairs of one model; NaN where there is no pair.

    `mae`, `rmse` and `bias` are rides per hour. `wape` is the sum of absolute errors divided by
    the sum of rides. `skill` is 1 - MAE / MAE of the reference, over the pairs that both have. MAE,
    WAPE and skill are of the median; `rmse`, `bias` and `deviance` (Poisson) of the mean.
    `coverage` is the share of rides within the interval, both ends included, and `wis` the weighted
    interval score, rides per hour: only the served model has them.
    """

    pairs: int
    mae: float
    rmse: float
    wape: float
    bias: float
    deviance: float
    skill: float
    coverage: float
    wis: float


@dataclass(frozen=True, slots=True)
class BoroughScore:
    """Score of the served model in one borough, over its zones that have rides."""

    borough: str
    rides: int
    score: Score


@dataclass(frozen=True, slots=True)
class BandScore:
    """Figures over the pairs in one demand band.

    `bias` is the sum of the errors of the mean divided by the sum of rides, NaN without rides.
    `width` is the mean width of the intervals, in rides.
    """

    band: str
    pairs: int
    bias: float
    coverage: float
    width: float


@dataclass(frozen=True, slots=True)
class Evaluation:
    """The scores of a run, and which pairs they are over (hours are epoch milliseconds).

    `by_horizon` are the scores of the served model, by hours ahead; empty without horizons.
    """

    first_hour: int
    last_hour: int
    zones: int
    pairs: int
    served: str
    by_model: dict[str, Score]
    by_borough: tuple[BoroughScore, ...]
    by_band: tuple[BandScore, ...]
    by_horizon: dict[int, Score]


def evaluate(run: RunArrays) -> Evaluation:
    """Score the hours after the warm-up, over the zones that have rides in any hour.

    A run of no more hours than the warm-up is scored as a whole.
    """
    columns = np.flatnonzero(np.nansum(run.rides, axis=0) > 0)
    scored = run.after_warm_up().select(slice(0, None), columns)
    served = score(scored, scored.forecast.served_model)
    return Evaluation(
        first_hour=scored.start_ts,
        last_hour=scored.start_ts + (scored.hours - 1) * HOUR_MS,
        zones=len(columns),
        pairs=served.pairs,
        served=scored.forecast.served_model,
        by_model={model: score(scored, model) for model in scored.forecast.by_model},
        by_borough=_by_borough(scored, columns),
        by_band=_by_band(scored),
        by_horizon=_by_horizon(scored),
    )


def _by_horizon(run: RunArrays) -> dict[int, Score]:
    """Return the served model's score at each horizon; none if there is the next hour only."""
    horizons = [NEXT_HOUR, *run.ahead] if run.ahead else []
    return {horizon: score(run.at(horizon), run.forecast.served_model) for horizon in horizons}


def score(run: RunArrays, model: str) -> Score:
    """Return the figures of one model over all pairs."""
    forecast, rides = run.forecast, run.rides
    predicted = forecast.by_model[model]
    of_pairs = ErrorSums.of(
        rides, predicted, forecast.mean_of(model), forecast.by_model.get(REFERENCE)
    )
    sums = of_pairs.sum()
    served = model == forecast.served_model
    nan = float("nan")
    return Score(
        pairs=int(sums.pairs),
        mae=float(sums.mae),
        rmse=float(sums.rmse),
        wape=float(sums.wape(np.where(of_pairs.pairs > 0, rides, 0.0).sum())),
        bias=float(sums.bias),
        deviance=float(sums.deviance),
        skill=float(sums.skill),
        coverage=mean_known(_covered(run)) if served else nan,
        wis=mean_known(_interval_scores(run)) if served else nan,
    )


def mae_by_hour_of_day(run: RunArrays, model: str) -> Floats:
    """Return a model's MAE in each hour of the day, 0 to 23: `float64[24]`, rides per hour."""
    predicted = run.forecast.by_model[model]
    sums = ErrorSums.of(run.rides, predicted, predicted)
    of_day = (run.start_ts // HOUR_MS + np.arange(run.hours)) % HOURS_PER_DAY
    return np.array([sums.rows(of_day == hour).sum().mae for hour in range(HOURS_PER_DAY)])


def _by_borough(run: RunArrays, columns: Ints) -> tuple[BoroughScore, ...]:
    """Return the served model's score in each borough, the one with the most rides first."""
    boroughs = np.array([zones()[column].borough for column in columns], dtype=object)
    found: list[BoroughScore] = []
    for borough in dict.fromkeys(boroughs):
        part = run.select(slice(0, None), np.flatnonzero(boroughs == borough))
        rides = int(np.nansum(part.rides))
        found.append(BoroughScore(borough, rides, score(part, part.forecast.served_model)))
    return tuple(sorted(found, key=lambda row: -row.rides))


def _by_band(run: RunArrays) -> tuple[BandScore, ...]:
    """Return the figures of each demand band that occurs."""
    forecast, covered = run.forecast, _covered(run)
    known = ~np.isnan(covered)
    pairs = sum_by_band(known, forecast.mean)
    rides = sum_by_band(np.where(known, run.rides, 0.0), forecast.mean)
    bias = ratio(sum_by_band(np.where(known, forecast.mean, 0.0), forecast.mean) - rides, rides)
    coverage = ratio(sum_by_band(covered == 1, forecast.mean), pairs)
    width = np.where(known, forecast.upper - forecast.lower, 0.0)
    mean_width = ratio(sum_by_band(width, forecast.mean), pairs)
    return tuple(
        BandScore(name, int(pairs[i]), float(bias[i]), float(coverage[i]), float(mean_width[i]))
        for i, name in enumerate(BANDS)
        if pairs[i]
    )


def _covered(run: RunArrays) -> Floats:
    return is_covered(run.rides, run.forecast.lower, run.forecast.upper)


def _interval_scores(run: RunArrays) -> Floats:
    forecast = run.forecast
    return weighted_interval_score(run.rides, forecast.median, forecast.lower, forecast.upper)
