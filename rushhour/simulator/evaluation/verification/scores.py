"""Rolling scores, computed straight from their definitions.

The consumer adds up `rushhour.scoring.errors.ErrorSums` hour by hour; here are plain means over
arrays, so that a fault in one of both shows. The definitions are in docs/reference.md.
"""

import numpy as np

from rushhour.core.arrays import Floats, Mask
from rushhour.core.hours import HOURS_PER_DAY, HOURS_PER_WEEK
from rushhour.core.models import NOMINAL_COVERAGE, REFERENCE
from rushhour.scoring.bands import BANDS
from rushhour.simulator.evaluation.run_arrays import RunArrays

WINDOWS = (HOURS_PER_DAY, HOURS_PER_WEEK)
Scores = dict[str, Floats]


def error_scores(arrays: RunArrays, model: str, end: int, *, by_zone: bool) -> Scores:
    """Return the scores of a model's errors up to an hour: `float64[zones]`, or one figure each.

    Parameters
    ----------
    end
        Index of the hour after the last one.
    by_zone
        Score each zone for itself, not all of them together.
    """
    axis = 0 if by_zone else None
    found: Scores = {}
    for window in WINDOWS:
        hours = slice(max(0, end - window), end)
        rides = arrays.rides[hours]
        errors = arrays.forecast.mean_of(model)[hours] - rides
        of_median = np.abs(arrays.forecast.by_model[model][hours] - rides)
        reference = arrays.forecast.by_model[REFERENCE][hours] - rides
        known = ~np.isnan(errors)
        both = known & ~np.isnan(reference)
        reference_sum = np.abs(reference).sum(axis, where=both)
        found |= {
            f"mae_{window}h": _mean(of_median, known, axis),
            f"rmse_{window}h": np.sqrt(_mean(errors**2, known, axis)),
            f"bias_{window}h": _mean(errors, known, axis),
            f"skill_{window}h": 1 - _divide(of_median.sum(axis, where=both), reference_sum),
        }
        if not by_zone:
            deviances = _deviances(rides, errors + rides)
            found[f"deviance_{window}h"] = _mean(deviances, known, axis)
    return found


def coverage_scores(arrays: RunArrays, end: int, *, by_zone: bool) -> Scores:
    """Return the share of rides within the intervals up to an hour, as `error_scores` does."""
    found: Scores = {}
    for window in WINDOWS:
        hours = slice(max(0, end - window), end)
        known, covered = _covered(arrays, hours)
        found[f"coverage_{window}h"] = _mean(covered, known, 0 if by_zone else None)
    return found


def interval_scores(arrays: RunArrays, end: int) -> Scores:
    """Return the weighted interval score up to an hour: of all zones together."""
    found: Scores = {}
    for window in WINDOWS:
        hours = slice(max(0, end - window), end)
        known, _ = _covered(arrays, hours)
        forecast, rides = arrays.forecast, arrays.rides[hours]
        lower, upper = forecast.lower[hours], forecast.upper[hours]
        alpha = 1 - NOMINAL_COVERAGE
        below = np.where(rides < lower, lower - rides, 0)
        above = np.where(rides > upper, rides - upper, 0)
        score = upper - lower + 2 / alpha * (below + above)
        weighted = (np.abs(forecast.median[hours] - rides) / 2 + alpha / 2 * score) / (1 + 1 / 2)
        found[f"wis_{window}h"] = _mean(weighted, known, None)
    return found


def band_coverage(arrays: RunArrays, end: int) -> dict[str, float]:
    """Return the share of rides within the intervals of the last week, by predicted rides."""
    hours = slice(max(0, end - HOURS_PER_WEEK), end)
    known, covered = _covered(arrays, hours)
    mean = arrays.forecast.mean[hours]
    found = {}
    for band in BANDS:
        low, _, high = band.rstrip("+").partition("-")
        inside = known & (mean >= float(low)) & (mean < float(high or "inf"))
        found[band] = float(_mean(covered, inside, None))
    return found


def _covered(arrays: RunArrays, hours: slice) -> tuple[Mask, Floats]:
    lower, upper = arrays.forecast.lower[hours], arrays.forecast.upper[hours]
    rides = arrays.rides[hours]
    known = ~(np.isnan(lower) | np.isnan(upper))
    return known, ((lower <= rides) & (rides <= upper)).astype(np.float64)


def _deviances(rides: Floats, mean: Floats) -> Floats:
    """Return the Poisson deviance of each pair: 2 (y ln(y / m) - y + m), m at least 0.0001."""
    mean = np.maximum(mean, 0.0001)
    logs = np.log(np.where(rides > 0, rides, mean) / mean)
    return 2 * (rides * logs - rides + mean)


def _mean(values: Floats, which: Mask, axis: int | None) -> Floats:
    return _divide(values.sum(axis, where=which), which.sum(axis))


def _divide(top: Floats, bottom: Floats) -> Floats:
    """Divide; NaN where there is nothing to divide by."""
    known = np.asarray(bottom) > 0
    return np.where(known, np.asarray(top) / np.where(known, bottom, 1), np.nan)
