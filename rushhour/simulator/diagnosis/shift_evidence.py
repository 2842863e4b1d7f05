"""Whether times are shifted by whole hours: only what the data shows counts.

There are three kinds of evidence, the strongest first:

- the predictions have errors (`prediction_error`), so somebody has scored them, and the rides that
  follow from these are the actual rides of other hours;
- rows that are within the hours of the actuals join only if they are shifted;
- the predictions fit the rides of other hours much better, hour after hour.

The fit cannot tell times that are too late from a model that repeats what it has just seen: both
are close to the rides of an earlier hour. So it does not judge predictions that do not look like a
forecast: copies of rides, and what is closer to the hours before than to those after. And it names
times that are too late only

- by the distance of New York from UTC, of predictions that are as sharp as the rides themselves;
- by one hour, if that makes more rows join, and then without certainty.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd

from rushhour.core.arrays import Floats, Mask
from rushhour.core.hours import HOUR_MS
from rushhour.core.table_columns import ERROR, PREDICTED, RIDES, ZONE
from rushhour.simulator.diagnosis.case import Case
from rushhour.simulator.diagnosis.times import Ints

NEW_YORK = "America/New_York"
OFFSETS = (4, 5)  # hours of New York behind UTC, in summer and in winter
_MOST_HOURS = 12
_LEAST_HOURS = 24  # of predictions, to say anything
_SAME = 0.99
_CLEARLY_LESS = 0.9
_FIT_RATIO = 0.8
_LEAST_CORRELATION = 0.6
_LEAST_SHARPNESS = 0.93
_MOST_HOURS_BETTER = 2 / 3
_COPY = 0.99  # no forecast is as good: it repeats the hour before
_SYMMETRY = 0.8


@dataclass(frozen=True, slots=True, eq=False)
class Shift:
    """Hours to add to the times.

    `hours` is one number, or one for each row where New York's clock changed in between; `evidence`
    is what speaks for them, in words. Without certainty, they should not be added unasked.
    """

    hours: int | Ints
    evidence: str = ""
    is_certain: bool = True

    @property
    def typical(self) -> int:
        """The number of hours; the least distance, if it changes."""
        hours = np.atleast_1d(self.hours)
        return int(hours[np.abs(hours).argmin()])


@dataclass(frozen=True, slots=True, eq=False)
class _Pairs:
    """Rides that the rows meet if they are shifted: NaN where there is no actual row."""

    shift: Shift
    rides: Floats
    inside: Mask  # rows that are then within the hours of the actuals


@dataclass(frozen=True, slots=True, eq=False)
class _Fit:
    """Predictions beside rides, with the hour (its place in order) and the zone of each row."""

    predicted: Floats
    rides: Floats
    hours: Ints
    zones: Ints

    @property
    def errors(self) -> Floats:
        """Absolute errors, rides."""
        return np.abs(self.predicted - self.rides)

    def is_clearly_better_than(self, other: "_Fit") -> bool:
        """Return whether errors are smaller on the whole, and in most of the hours."""
        if not len(self.hours) or self.hours.max() + 1 < _LEAST_HOURS:
            return False
        better = np.bincount(self.hours, self.errors) < np.bincount(self.hours, other.errors)
        is_smaller = self.errors.mean() <= _FIT_RATIO * other.errors.mean()
        return bool(is_smaller and better.mean() >= _MOST_HOURS_BETTER)

    @property
    def correlation(self) -> float:
        """The correlation within zones: that between zones is there at every shift."""
        places = np.unique(self.zones, return_inverse=True)[1]
        rows = np.bincount(places)
        x, y = (
            each - (np.bincount(places, each) / rows)[places]
            for each in (self.predicted, self.rides)
        )
        scale = float(np.sqrt((x @ x) * (y @ y)))
        return float(x @ y) / scale if scale > 0 else 0.0

    @property
    def sharpness(self) -> float:
        """How much the sum of the zones changes over time, relative to that of the rides."""
        x, y = (np.bincount(self.hours, each) for each in (self.predicted, self.rides))
        return float(x.std() / y.std()) if y.std() > 0 else 0.0


def find_shift(case: Case, column: str) -> Shift | None:
    """Return the shift that the data shows; None if the times are right, or nothing shows it."""
    times = case.predictions.times(column)
    usable = times.readable & case.predictions.numbers(ZONE).whole
    if len(np.unique(times.ts[usable])) < _LEAST_HOURS:
        return None
    now, *others = _pairs(case, column)
    own = _own_rides(case)
    if own is not None:
        return _by_own_rides(own, now, others)
    return _by_joins(now, others) or _by_fit(case, column, now, others)


def _candidates(ts: Ints) -> Iterator[Shift]:
    yield Shift(0)
    for distance in range(1, _MOST_HOURS + 2):  # the last ones are neighbours only
        yield from (Shift(distance), Shift(-distance))
    zone = ZoneInfo(NEW_YORK)
    moments = pd.Series(pd.to_datetime(ts, unit="ms"))
    from_utc = moments.dt.tz_localize("UTC").dt.tz_convert(zone).dt.tz_localize(None) - moments
    to_utc = moments - moments.dt.tz_localize(
        zone, ambiguous=True, nonexistent="shift_forward"
    ).dt.tz_convert("UTC").dt.tz_localize(None)
    for offset, sign in ((from_utc, 1), (to_utc, -1)):
        hours = sign * (offset.dt.total_seconds() // 3600).to_numpy().astype(np.int64)
        if len(np.unique(hours)) > 1:
            yield Shift(hours)


def _pairs(case: Case, column: str) -> list[_Pairs]:
    """Return what the rows meet at each shift, the first without one."""
    theirs = case.actuals.times(column)
    keys = case.actuals.keys(column)
    order = np.argsort(keys, kind="stable")
    keys = keys[order]
    rides = (
        case.actuals.numbers(RIDES).values[order] if RIDES in case.actuals else np.zeros(len(keys))
    )
    mine = case.predictions.times(column)
    first, last = int(theirs.ts[theirs.readable].min()), int(theirs.ts[theirs.readable].max())
    found = []
    for shift in _candidates(np.where(mine.readable, mine.ts, first)):
        shift_ms = shift.hours * HOUR_MS
        wanted = case.predictions.keys(column, shift_ms)
        place = np.minimum(np.searchsorted(keys, wanted), len(keys) - 1)
        met = (keys[place] == wanted) & (wanted >= 0)
        moved = mine.ts + shift_ms
        inside = (wanted >= 0) & (moved >= first) & (moved <= last)
        found.append(_Pairs(shift, np.where(met, rides[place], np.nan), inside))
    return found


def _own_rides(case: Case) -> Floats | None:
    """Return the actual rides by which the predictions have been scored; None without errors.

    A column `rides` does not tell: it may be a feature, the rides of the hour before.
    """
    mine = case.predictions
    if ERROR not in mine or PREDICTED not in mine:
        return None
    rides = np.round(mine.numbers(PREDICTED).values - mine.numbers(ERROR).values)
    return rides if (np.nan_to_num(rides) > 0).sum() >= _LEAST_HOURS else None


def _by_own_rides(own: Floats, now: _Pairs, others: list[_Pairs]) -> Shift | None:
    def share(pairs: _Pairs) -> float:
        met = ~np.isnan(pairs.rides) & (own > 0)
        return float((pairs.rides[met] == own[met]).mean()) if met.any() else 0.0

    best = max(others, key=share)
    if share(best) < _SAME or share(now) >= _CLEARLY_LESS:
        return None
    return Shift(
        best.shift.hours,
        f"{PREDICTED} minus {ERROR} is then the actual rides in {share(best):.1%} of the "
        f"rows, and in {share(now):.1%} as they are",
    )


def _by_joins(now: _Pairs, others: list[_Pairs]) -> Shift | None:
    """Judge by rows that are within the hours of the actuals in both cases."""

    def shares(pairs: _Pairs) -> tuple[float, float]:
        both = now.inside & pairs.inside
        if not both.any():
            return 0.0, 1.0
        met = (~np.isnan(each.rides[both]) for each in (pairs, now))
        then, before = (float(each.mean()) for each in met)
        return then, before

    best = max(others, key=lambda pairs: shares(pairs)[0])
    then, before = shares(best)
    if then < _SAME or before >= _CLEARLY_LESS:
        return None
    return Shift(
        best.shift.hours,
        f"{then:.1%} of the rows then join of those within the actual hours, and {before:.1%} as "
        "they are",
    )


def _by_fit(case: Case, column: str, now: _Pairs, others: list[_Pairs]) -> Shift | None:
    if PREDICTED not in case.predictions or RIDES not in case.actuals:
        return None
    predicted = case.predictions.numbers(PREDICTED).values
    best = min(others, key=lambda pairs: _mean_error(predicted, pairs))
    hours = best.shift.typical
    if not _may_be_told(best, now) or _is_lopsided(predicted, best.shift, [now, *others]):
        return None
    both = np.isfinite(predicted) & ~np.isnan(now.rides) & ~np.isnan(best.rides)
    fit = _Fit(
        predicted[both],
        best.rides[both],
        np.unique(case.predictions.times(column).ts[both], return_inverse=True)[1],
        case.predictions.numbers(ZONE).ids[both],
    )
    before = replace(fit, rides=now.rides[both])
    is_a_forecast = _LEAST_CORRELATION <= fit.correlation <= _COPY
    if not (is_a_forecast and fit.is_clearly_better_than(before)):
        return None
    if hours < 0 and fit.sharpness < _LEAST_SHARPNESS:
        return None
    return Shift(
        best.shift.hours,
        f"the mean absolute error is then {fit.errors.mean():.3g} rides instead of "
        f"{before.errors.mean():.3g}, and the correlation {fit.correlation:.2f} instead of "
        f"{before.correlation:.2f}",
        is_certain=hours != -1,
    )


def _is_lopsided(predicted: Floats, shift: Shift, pairs: list[_Pairs]) -> bool:
    """Return whether the hours before and after are not as far as each other.

    They are for a forecast of the hour in between; for a mean of earlier hours they are not, and it
    does not tell which hour it is for.
    """
    if np.ndim(shift.hours):
        return False
    errors = {
        each.shift.typical: _mean_error(predicted, each)
        for each in pairs
        if not np.ndim(each.shift.hours)
    }
    before, after = (errors[shift.typical + step] for step in (-1, 1))
    return min(before, after) < _SYMMETRY * max(before, after)


def _mean_error(predicted: Floats, pairs: _Pairs) -> float:
    errors = np.abs(predicted - pairs.rides)
    errors = errors[np.isfinite(errors)]
    return float(errors.mean()) if len(errors) else np.inf


def _may_be_told(then: _Pairs, now: _Pairs) -> bool:
    """Return whether a fit can show this shift: see the top of this module."""
    hours = then.shift.typical
    if abs(hours) > _MOST_HOURS:
        return False
    return hours > 0 or -hours in OFFSETS or (hours == -1 and _makes_more_join(then, now))


def _makes_more_join(then: _Pairs, now: _Pairs) -> bool:
    """Return whether more rows join, and all of them."""
    apart_then, apart_now = (int(np.isnan(each.rides).sum()) for each in (then, now))
    return apart_then == 0 < apart_now
