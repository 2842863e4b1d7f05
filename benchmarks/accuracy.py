"""How good the forecasts are, beside baselines and beside LightGBM: anybody can check.

    python benchmarks/accuracy.py [--dataset yellow] [--month 2024-10] [--data FILE] [--no-lightgbm]

Prints Markdown. Every forecaster predicts all zones one hour ahead, starts cold on the first hour
of the month, and is judged from the 8th day on, over the zones that have rides: its median by MAE,
its mean by RMSE, bias and Poisson deviance, its 90 % interval by the weighted interval score. One
that predicts once is judged by all but the last. `FILE` is a TLC
trip file, or hourly counts with the columns `pickup_hour`, `rides` and `pickup_location_id`. If
none is named, the trip file is looked for where `rushhour up` looks (`RUSHHOUR_DATA_DIR`, then the
cache of `rushhour download`).

LightGBM is in the dependency group `bench`; `make accuracy` installs it.
"""

import argparse
import os
import platform
import sys

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # as in the dataflow: see dataflows.__main__

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from importlib import import_module
from importlib.metadata import version
from itertools import pairwise
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from dataflows.forecasting.features import RideHistory
from dataflows.forecasting.forecasters import learners
from dataflows.forecasting.forecasters.city_regression import CityRegression
from dataflows.forecasting.forecasters.zone_regression import ZoneRegression
from producers.month.datasets import locate
from rushhour.core import models
from rushhour.core.errors import RushhourError, UsageError
from rushhour.core.forecast import Forecast
from rushhour.core.hours import HOUR_MS, HOURS_PER_DAY, HOURS_PER_WEEK, clock_label, hour_of_week
from rushhour.core.settings import Settings
from rushhour.core.zones import ZONE_COUNT
from rushhour.simulator.evaluation.counts import (
    Table,
    count_months,
    holds_hourly_counts,
    read_hourly_counts,
)
from rushhour.simulator.evaluation.offline import replay
from rushhour.simulator.evaluation.run_arrays import RunArrays
from rushhour.simulator.evaluation.scoring import Evaluation, evaluate
from rushhour.simulator.terminal.figures import figure, percent

Floats = npt.NDArray[np.float64]
Counts = npt.NDArray[np.int64]
T = TypeVar("T")

MEAN_OF_WEEKS = "mean_of_earlier_weeks"
# Predicted rides at which a band of the table of biases begins and ends.
BIAS_EDGES = (0.0, 0.1, 1.0, 5.0, 20.0, 100.0, float("inf"))

# What LightGBM sees of a zone: rides so many hours ago, means of the last so many hours, the mean
# of the same hour in up to four earlier weeks, hour of day, day of week, and which zone it is.
LAGS = (1, 2, 3, 24, 25, 48, 168, 169)
MEANS = (3, 24, 168)
WEEKS = 4


@dataclass(frozen=True, slots=True)
class Boosting:
    """How LightGBM is set up; what is not named here is LightGBM's default.

    Each number has trees of its own, with the objective that asks for it: L1 for the median,
    Poisson for the mean, quantiles for the ends of the interval. With `roots` there is one number,
    by squared errors of square roots of rides, those of busy zones weighing more, as in rushhour's
    own regressions. `own_features` means the columns that rushhour's learners read, beside hour,
    day and zone, in place of those above.
    """

    trees: int = 200
    leaves: int = 63
    learning_rate: float = 0.1
    least_rows: int = 20  # in a leaf
    roots: bool = False
    own_features: bool = False

    def __str__(self) -> str:
        objective = "L2 of roots" if self.roots else "L1, Poisson and quantiles"
        text = f"LightGBM, {objective}, {self.trees} trees, {self.leaves} leaves"
        text += f" of at least {self.least_rows} rows, rate {self.learning_rate}"
        return text + (", rushhour's features" if self.own_features else "")


# The first is what one would start with, and the third is the same with rushhour's features. The
# second and the last did best of about twenty that were tried on the very month that is judged
# (yellow, October 2024), which favours LightGBM. Linear trees, forgetting, and trees on top of the
# mean of earlier weeks were no better; with L1, more leaves were a little.
SETTINGS = (
    Boosting(),
    Boosting(leaves=31, learning_rate=0.05, roots=True),
    Boosting(own_features=True),
    Boosting(300, 15, 0.05, 200, roots=True, own_features=True),
)
_WEIGHT_POWER = 0.6  # of the expected root, for the weight of a row with `roots`
_LEAST_ROOT = 0.1


@dataclass(frozen=True, slots=True, eq=False)
class Predicted:
    """What a forecaster predicts: hours x zones each, NaN where it does not."""

    median: Floats
    mean: Floats
    lower: Floats
    upper: Floats

    @classmethod
    def once(cls, rides: Floats) -> "Predicted":
        """Return what one prediction says, without an interval."""
        unknown = np.full(rides.shape, np.nan)
        return cls(rides, rides, unknown, unknown)


def lagged(rides: Floats, hours: int) -> Floats:
    """Return the rides of so many hours before each hour; NaN where there is no such hour.

    >>> lagged(np.array([[5.0], [6.0], [7.0]]), 2).ravel().tolist()
    [nan, nan, 5.0]
    """
    before = np.full(rides.shape, np.nan)
    before[hours:] = rides[:-hours]
    return before


def mean_before(rides: Floats, hours: int) -> Floats:
    """Return the mean of the last so many hours before each hour, of those that there are.

    >>> mean_before(np.array([[5.0], [6.0], [7.0], [9.0]]), 2).ravel().tolist()
    [nan, 5.0, 5.5, 6.5]
    """
    total = np.vstack((np.zeros((1, rides.shape[1])), np.cumsum(rides, axis=0)))
    end = np.arange(len(rides))
    start = np.maximum(end - hours, 0)
    known = np.where(end > start, end - start, np.nan)[:, np.newaxis]
    means: Floats = (total[end] - total[start]) / known
    return means


def mean_of_weeks(rides: Floats) -> Floats:
    """Return the mean of the same hour in up to four earlier weeks; NaN in the first week."""
    total, known = np.zeros(rides.shape), np.zeros(rides.shape)
    for week in range(1, WEEKS + 1):
        then = lagged(rides, week * HOURS_PER_WEEK)
        known += ~np.isnan(then)
        total += np.nan_to_num(then)
    means: Floats = np.divide(total, known, out=np.full(rides.shape, np.nan), where=known > 0)
    return means


def expected(rides: Floats) -> Floats:
    """Return the mean of earlier weeks; in the first one, yesterday or else the last hour."""
    level = mean_of_weeks(rides)
    for otherwise in (lagged(rides, HOURS_PER_DAY), lagged(rides, 1), np.zeros(rides.shape)):
        level = np.where(np.isnan(level), otherwise, level)
    return level


def calendar(start_ts: int, hours: int) -> Floats:
    """Return hour of day, day of week and zone: hours x zones x 3."""
    of_week = np.array([hour_of_week(start_ts + i * HOUR_MS) for i in range(hours)])
    day, hour = np.divmod(of_week, HOURS_PER_DAY)
    columns = (hour[:, np.newaxis], day[:, np.newaxis], np.arange(ZONE_COUNT)[np.newaxis])
    return np.stack(np.broadcast_arrays(*columns), axis=2).astype(np.float64)


def common_features(start_ts: int, rides: Floats) -> Floats:
    """Return what is known of each hour before it begins: hours x zones x features.

    The zone is the last feature.
    """
    known = [
        *(lagged(rides, lag) for lag in LAGS),
        *(mean_before(rides, hours) for hours in MEANS),
        mean_of_weeks(rides),
    ]
    return np.concatenate((np.stack(known, axis=2), calendar(start_ts, len(rides))), axis=2)


def own_features(start_ts: int, rides: Floats) -> Floats:
    """Return what rushhour's learners know of each hour, like `common_features`."""
    history = RideHistory()
    rows = []
    for i, hour in enumerate(rides.astype(np.int64)):
        x = history.features(start_ts + i * HOUR_MS)
        rows.append(x.matrix(list(x)))
        history.append(hour)
    return np.concatenate((np.stack(rows), calendar(start_ts, len(rides))), axis=2)


def boosted(start_ts: int, rides: Floats, setting: Boosting, threads: int) -> Predicted:
    """Return what LightGBM predicts of each hour; NaN on the first day."""
    of = own_features if setting.own_features else common_features
    x = of(start_ts, rides)
    fitted = partial(fitted_daily, x, rides, setting, threads)
    if setting.roots:
        return Predicted.once(fitted({"objective": "l2"}))
    tail = (1.0 - models.NOMINAL_COVERAGE) / 2
    median, mean, lower, upper = (
        fitted(objective)
        for objective in (
            {"objective": "l1"},
            {"objective": "poisson"},
            {"objective": "quantile", "alpha": tail},
            {"objective": "quantile", "alpha": 1.0 - tail},
        )
    )
    return Predicted(median, mean, np.minimum(lower, median), np.maximum(upper, median))


def fitted_daily(
    x: Floats, rides: Floats, setting: Boosting, threads: int, objective: dict[str, Any]
) -> Floats:
    """Return one number that LightGBM predicts: hours x zones; NaN on the first day.

    It is fitted again at the end of each day, on all hours so far. Features of an hour are those
    known before it, so predicting the hours of a day at once is the same as one by one.
    """
    import lightgbm  # noqa: PLC0415  # the only user; the rest runs without it

    target = np.sqrt(rides) if setting.roots else rides
    weight = np.maximum(np.sqrt(expected(rides)), _LEAST_ROOT) ** _WEIGHT_POWER
    predicted = np.full(rides.shape, np.nan)
    for now in range(HOURS_PER_DAY, len(rides), HOURS_PER_DAY):
        past, day = slice(0, now), slice(now, now + HOURS_PER_DAY)
        data = lightgbm.Dataset(
            _rows(x[past]),
            target[past].ravel(),
            weight=weight[past].ravel() if setting.roots else None,
            categorical_feature=[x.shape[2] - 1],
        )
        model = lightgbm.train(_parameters(setting, threads) | objective, data, setting.trees)
        found = np.asarray(model.predict(_rows(x[day]), num_threads=threads), np.float64)
        positive = np.maximum(found.reshape(-1, ZONE_COUNT), 0.0)
        predicted[day] = np.square(positive) if setting.roots else positive
    return predicted


def _parameters(setting: Boosting, threads: int) -> dict[str, Any]:
    return {
        "num_leaves": setting.leaves,
        "learning_rate": setting.learning_rate,
        "min_data_in_leaf": setting.least_rows,
        "num_threads": threads,
        "deterministic": True,
        "force_col_wise": True,  # or it would time both ways at each fit
        "seed": 1,
        "verbosity": -1,
    }


def _rows(x: Floats) -> Floats:
    return x.reshape(-1, x.shape[2])


def alone(start_ts: int, rides: Counts, name: str) -> Floats:
    """Return the predictions of one learner, with features computed for it alone.

    The zones' regression corrects the city's, so the city's runs with it.
    """
    by_name = {learner.name: learner for learner in learners()}
    forecaster = by_name[name]
    needed = [by_name[CityRegression.name]] if name == ZoneRegression.name else []
    history = RideHistory()
    predicted = []
    for i, hour in enumerate(rides):
        x = history.features(start_ts + i * HOUR_MS)
        predicted.append(forecaster.predict_many(x))
        for one in (*needed, forecaster):
            one.learn_many(x, hour)
        history.append(hour)
    return np.array(predicted)


def timed(work: Callable[[], T]) -> tuple[T, float]:
    """Return what `work` returns, and the CPU seconds that it took, of all threads together."""
    start = time.process_time()
    result = work()
    return result, time.process_time() - start


def measure(
    start_ts: int, rides: Counts, settings: tuple[Boosting, ...], threads: int
) -> tuple[dict[str, RunArrays], dict[str, float]]:
    """Return a run with each forecaster in the place of the served one, and their CPU seconds."""
    as_floats = rides.astype(np.float64)
    work: dict[str, Callable[[], Predicted]] = {
        models.LAST_HOUR: lambda: Predicted.once(lagged(as_floats, 1)),
        models.REFERENCE: lambda: Predicted.once(lagged(as_floats, HOURS_PER_WEEK)),
        MEAN_OF_WEEKS: lambda: Predicted.once(mean_of_weeks(as_floats)),
    }
    for setting in settings:
        work[str(setting)] = partial(boosted, start_ts, as_floats, setting, threads)
    seconds: dict[str, float] = {}
    found: dict[str, Predicted] = {}
    for name, predict in work.items():
        found[name], seconds[name] = timed(predict)
        _progress(f"{name}: {seconds[name]:.1f} CPU s")
    for learner in learners():
        _, seconds[learner.name] = timed(partial(alone, start_ts, rides, learner.name))
    served, seconds[models.SERVED] = timed(partial(replay, start_ts, rides))
    for learner in learners():
        found[learner.name] = Predicted.once(served.forecast.by_model[learner.name])
    runs = {name: _run_of(name, served, predicted) for name, predicted in found.items()}
    return runs | {models.SERVED: served}, seconds


def _run_of(name: str, served: RunArrays, predicted: Predicted) -> RunArrays:
    reference = served.forecast.by_model[models.REFERENCE]
    forecast = Forecast(
        served.start_ts,
        {name: predicted.median, models.REFERENCE: reference},
        predicted.mean,
        predicted.lower,
        predicted.upper,
    )
    return replace(served, forecast=forecast)


def table_lines(
    judged: Mapping[str, Evaluation], seconds: Mapping[str, float], elsewhere: str | None
) -> Iterator[str]:
    """Yield the table; `elsewhere` is one more line."""
    yield f"| forecaster | MAE | / {models.REFERENCE} | RMSE | bias | deviance | WIS | CPU s |"
    yield "|---|---|---|---|---|---|---|---|"
    for name, cost in seconds.items():
        yield table_line(name, judged[name], cost)
    if elsewhere is not None:
        yield elsewhere


def table_line(label: str, judged: Evaluation, seconds: float) -> str:
    """Return one line of the table."""
    score, reference = judged.by_model[judged.served], judged.by_model[models.REFERENCE]
    text = f"**{label}**" if label == models.SERVED else label
    figures = (
        figure(score.mae),
        figure(score.mae / reference.mae),
        figure(score.rmse),
        percent(score.bias * score.wape / score.mae),  # of the rides
        figure(score.deviance),
        figure(score.wis),
        f"{seconds:.1f}",
    )
    return f"| {text} | {' | '.join(figures)} |"


def bias_lines(runs: Mapping[str, RunArrays]) -> Iterator[str]:
    """Yield the bias of each forecaster's mean by the rides that it predicted.

    The lowest band is that of zones and hours almost without rides; its bias says little.
    """
    names = [f"{low:g} to {high:g}" for low, high in pairwise(BIAS_EDGES)]
    names[-1] = f"above {BIAS_EDGES[-2]:g}"
    yield f"| forecaster | {' | '.join(names)} |"
    yield f"|---|{'---|' * len(names)}"
    for name, run in runs.items():
        scored = run.after_warm_up()
        shares = bias_by_band(scored.forecast.mean, scored.rides)
        text = f"**{name}**" if name == models.SERVED else name
        yield f"| {text} | {' | '.join(map(percent, shares))} |"


def bias_by_band(mean: Floats, rides: Floats) -> list[float]:
    """Return (sum of means - sum of rides) / sum of rides in each band of predicted rides.

    >>> bias_by_band(np.array([0.5, 3.0, 4.0]), np.array([1.0, 4.0, 4.0]))[1:3]
    [-0.5, -0.125]
    """
    found = []
    for low, high in pairwise(BIAS_EDGES):
        inside = (low <= mean) & (mean < high)
        counted = float(rides[inside].sum())
        found.append((float(mean[inside].sum()) - counted) / counted if counted else float("nan"))
    return found


def coverage_lines(judged: Evaluation) -> Iterator[str]:
    """Yield the coverage of the intervals, over all pairs and in each band of predicted rides."""
    yield "| predicted rides | pairs | coverage | mean width |"
    yield "|---|---|---|---|"
    for band in judged.by_band:
        yield f"| {band.band} | {band.pairs:,} | {percent(band.coverage)} | {band.width:.1f} |"
    served = judged.by_model[judged.served]
    yield f"| all | {served.pairs:,} | {percent(served.coverage)} | |"


def read_rides(settings: Settings) -> tuple[str, Table] | None:
    """Return the name and the hourly counts of what the settings name; None if it is not here."""
    if settings.data is not None and holds_hourly_counts(settings.data):
        return settings.data.name, read_hourly_counts(settings.data)
    files = [file for file in locate(settings).values() if file is not None]
    if len(files) < len(settings.months):
        return None
    name = files[0].name if len(files) == 1 else f"{len(files)} files"
    return name, count_months(files, settings.dataset, settings.months).table


def _arrays(rides: Table) -> tuple[int, Counts]:
    start = rides.index[0].to_datetime64().astype("datetime64[ms]").astype(np.int64)
    return int(start), rides.to_numpy(np.int64)


def _green(settings: Settings) -> str | None:
    """Return the row of the green file of the same month, if that is not what is measured."""
    if settings.dataset == "green" or settings.data is not None:
        return None
    found = read_rides(Settings.load(dataset="green", month=settings.month))
    if found is None:
        _progress("no green file of the month: its row is omitted")
        return None
    name, rides = found
    served, seconds = timed(partial(replay, *_arrays(rides)))
    label = f"{models.SERVED} on {name}"
    return table_line(label, evaluate(served), seconds)


def _need_lightgbm() -> None:
    """Load LightGBM before anything is timed.

    Raises
    ------
    UsageError
        If it is not installed.
    """
    try:
        import_module("lightgbm")
    except (ImportError, OSError) as error:  # OSError: it needs the system's libgomp
        raise UsageError(
            f"LightGBM cannot be loaded ({error}): run `make accuracy`, or pass --no-lightgbm"
        ) from None


def _progress(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--dataset", help="yellow or green")
    parser.add_argument("--month", help="month, such as 2024-10")
    parser.add_argument("--data", type=Path, help="TLC trip file, or hourly counts")
    parser.add_argument("--threads", type=int, default=1, help="threads of LightGBM (1)")
    parser.add_argument("--no-lightgbm", action="store_true", help="skip the slow part")
    return parser.parse_args()


def main() -> None:
    """Measure and print."""
    arguments = _parse()
    settings = Settings.load(dataset=arguments.dataset, month=arguments.month, data=arguments.data)
    found = read_rides(settings)
    if found is None:
        raise UsageError(
            f"no {settings.dataset} file of {settings.month} is here: name one with --data, or get "
            "it with `rushhour download`"
        )
    name, rides = found
    boostings = () if arguments.no_lightgbm else SETTINGS
    if boostings:
        _need_lightgbm()
    runs, seconds = measure(*_arrays(rides), boostings, arguments.threads)
    every = {name: evaluate(run) for name, run in runs.items()}
    judged = every[models.SERVED]
    first, last = clock_label(judged.first_hour), clock_label(judged.last_hour)
    print(
        f"{name}, hour ahead, {first} to {last}, {judged.zones} zones with rides, "
        f"{judged.pairs:,} pairs:\n"
    )
    print("\n".join(table_lines(every, seconds, _green(settings))))
    print("\nBias of the mean, by the rides that were predicted:\n")
    print("\n".join(bias_lines(runs)))
    print(f"\nIntervals of {judged.served}, meant to hold {models.NOMINAL_COVERAGE:.0%}:\n")
    print("\n".join(coverage_lines(judged)))
    libraries = "numpy", "river", *(("lightgbm",) if boostings else ())
    print(
        f"\nPython {platform.python_version()}, "
        + ", ".join(f"{library} {version(library)}" for library in libraries)
        + f". CPU seconds are for all {len(rides)} hours, on one thread"
        + (f" (LightGBM: {arguments.threads})" if boostings else "")
        + "; those of a learner are for it alone and its features. The features of "
        + f"{judged.served} are made once for all learners; its figure has the intervals and the "
        "drift detection in it."
    )


if __name__ == "__main__":
    try:
        main()
    except RushhourError as error:
        sys.exit(f"error: {error}")
