"""How good forecasts are: one place for every figure that the report and the backtest show.

An error is predicted minus actual rides: positive means that too many were expected. A pair is
one zone in one hour that has both a prediction and rides.
"""

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from consumers.rolling_coverage import is_covered
from rushhour.core.hours import HOUR_MS, HOURS_PER_DAY
from rushhour.core.models import REFERENCE
from rushhour.core.zones import zones
from rushhour.scoring.bands import BANDS, band_of

Floats = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]

# Models start cold; their first week, in which the reference has nothing to say, is not judged.
WARM_UP_HOURS = 7 * HOURS_PER_DAY


@dataclass(frozen=True, slots=True, eq=False)
class Forecasts:
    """Rides of consecutive hours, and what was forecast of them: arrays of hours x zones.

    The first hour starts at `start_ts` (epoch milliseconds). `by_model` has the served model
    first; `lower` and `upper` are the interval around its predictions. NaN is what is not known.
    """

    start_ts: int
    rides: Floats
    by_model: dict[str, Floats]
    lower: Floats
    upper: Floats

    @property
    def served(self) -> str:
        """Name of the served model."""
        return next(iter(self.by_model))

    @property
    def hours(self) -> int:
        """How many hours there are."""
        return len(self.rides)

    def after_warm_up(self) -> "Forecasts":
        """Return the hours that are judged: all, if they are no more than the warm-up."""
        first = WARM_UP_HOURS if self.hours > WARM_UP_HOURS else 0
        return self.select(slice(first, None), np.arange(self.rides.shape[1]))

    def select(self, hours: slice, columns: npt.NDArray[np.int64]) -> "Forecasts":
        """Return some of the hours, and some of the zones by their columns."""

        def cut(values: Floats) -> Floats:
            return values[hours][:, columns]

        return replace(
            self,
            start_ts=self.start_ts + (hours.start or 0) * HOUR_MS,
            rides=cut(self.rides),
            by_model={name: cut(values) for name, values in self.by_model.items()},
            lower=cut(self.lower),
            upper=cut(self.upper),
        )


@dataclass(frozen=True, slots=True)
class Score:
    """Figures over some pairs of one model; NaN where there is nothing to judge by.

    `mae`, `rmse` and `bias` are rides an hour. `wape` is the sum of absolute errors by the sum of
    rides. `skill` is 1 - MAE / MAE of the reference, over the pairs that both have. `coverage` is
    the share of rides within the interval, both ends included.
    """

    pairs: int
    mae: float
    rmse: float
    wape: float
    bias: float
    skill: float
    coverage: float


@dataclass(frozen=True, slots=True)
class BoroughScore:
    """The served model in one borough: over its zones that have rides."""

    borough: str
    rides: int
    score: Score


@dataclass(frozen=True, slots=True)
class BandCoverage:
    """How the intervals hold where like demand was predicted; `width` is their mean, in rides."""

    band: str
    pairs: int
    coverage: float
    width: float


@dataclass(frozen=True, slots=True)
class Evaluation:
    """Which pairs the scores are over (hours are epoch milliseconds), and the scores."""

    first_hour: int
    last_hour: int
    zones: int
    pairs: int
    served: str
    by_model: dict[str, Score]
    by_borough: tuple[BoroughScore, ...]
    by_band: tuple[BandCoverage, ...]


def evaluate(forecasts: Forecasts) -> Evaluation:
    """Score the hours after the warm-up, over zones that have rides in any hour.

    Forecasts of fewer hours than the warm-up are judged whole.
    """
    columns = np.flatnonzero(np.nansum(forecasts.rides, axis=0) > 0)
    judged = forecasts.after_warm_up().select(slice(0, None), columns)
    served = score(judged, judged.served)
    return Evaluation(
        first_hour=judged.start_ts,
        last_hour=judged.start_ts + (judged.hours - 1) * HOUR_MS,
        zones=len(columns),
        pairs=served.pairs,
        served=judged.served,
        by_model={model: score(judged, model) for model in judged.by_model},
        by_borough=_by_borough(judged, columns),
        by_band=_by_band(judged),
    )


def score(forecasts: Forecasts, model: str) -> Score:
    """Return the figures of one model over all pairs; coverage is for the served one only."""
    predicted, rides = forecasts.by_model[model], forecasts.rides
    errors = predicted - rides
    known = ~np.isnan(errors)
    own = errors[known]
    absolute = np.abs(own)
    return Score(
        pairs=len(own),
        mae=_ratio(absolute.sum(), len(own)),
        rmse=float(np.sqrt(_ratio((own * own).sum(), len(own)))),
        wape=_ratio(absolute.sum(), rides[known].sum()),
        bias=_ratio(own.sum(), len(own)),
        skill=_skill(errors, forecasts),
        coverage=_coverage(forecasts)[0] if model == forecasts.served else float("nan"),
    )


def mae_by_hour_of_day(forecasts: Forecasts, model: str) -> Floats:
    """Return a model's mean absolute error in each hour of the day, 0 to 23; rides an hour."""
    absolute = np.abs(forecasts.by_model[model] - forecasts.rides)
    of_day = (forecasts.start_ts // HOUR_MS + np.arange(forecasts.hours)) % HOURS_PER_DAY
    return np.array([_mean_known(absolute[of_day == hour]) for hour in range(HOURS_PER_DAY)])


def _by_borough(forecasts: Forecasts, columns: npt.NDArray[np.int64]) -> tuple[BoroughScore, ...]:
    """Return the served model's score in each borough, that with the most rides first."""
    boroughs = np.array([zones()[column].borough for column in columns], dtype=object)
    found: list[BoroughScore] = []
    for borough in dict.fromkeys(boroughs):
        part = forecasts.select(slice(0, None), np.flatnonzero(boroughs == borough))
        rides = int(np.nansum(part.rides))
        found.append(BoroughScore(borough, rides, score(part, part.served)))
    return tuple(sorted(found, key=lambda line: -line.rides))


def _by_band(forecasts: Forecasts) -> tuple[BandCoverage, ...]:
    """Return coverage in each band of predicted demand that occurs."""
    predicted = forecasts.by_model[forecasts.served]
    band = band_of(predicted)
    lines: list[BandCoverage] = []
    for i, name in enumerate(BANDS):
        within = (band == i) & ~np.isnan(predicted)
        coverage, pairs = _coverage(forecasts, within)
        if pairs:
            width = _mean_known((forecasts.upper - forecasts.lower)[within])
            lines.append(BandCoverage(name, pairs, coverage, width))
    return tuple(lines)


def _coverage(forecasts: Forecasts, among: Mask | None = None) -> tuple[float, int]:
    """Return the share of rides within the interval, and of how many pairs."""
    covered = is_covered(forecasts.rides, forecasts.lower, forecasts.upper)
    known = ~np.isnan(covered + forecasts.rides)
    if among is not None:
        known = known & among
    pairs = int(known.sum())
    return _ratio(covered[known].sum(), pairs), pairs


def _skill(errors: Floats, forecasts: Forecasts) -> float:
    if REFERENCE not in forecasts.by_model:
        return float("nan")
    reference = forecasts.by_model[REFERENCE] - forecasts.rides
    shared = ~np.isnan(errors) & ~np.isnan(reference)
    return 1.0 - _ratio(np.abs(errors[shared]).sum(), np.abs(reference[shared]).sum())


def _mean_known(values: Floats) -> float:
    known = values[~np.isnan(values)]
    return _ratio(known.sum(), known.size)


def _ratio(top: float | np.floating, bottom: float | np.floating) -> float:
    return float(top) / float(bottom) if bottom > 0 else float("nan")
