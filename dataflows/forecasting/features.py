"""Features of every zone's next hour, computed from past hours only.

Counts enter as square roots ("root counts"): the variance of a count grows with its mean, that of
its square root does not, so one linear model fits busy and quiet zones (Anscombe, "The
transformation of Poisson, binomial and negative-binomial data", 1948).
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cache
from typing import Any

import numpy as np

from dataflows.forecasting.history.recent_rows import RecentRows
from dataflows.forecasting.history.similar_days import DAYS, SimilarDays
from dataflows.forecasting.history.subspace import Subspace
from dataflows.forecasting.history.usual_rides import UsualRides
from rushhour.core.arrays import Counts, Floats
from rushhour.core.hours import HOURS_PER_DAY, HOURS_PER_WEEK, hour_of_week
from rushhour.core.zones import ZONE_COUNT

RIDES_LAST_HOUR = "rides_last_hour"
RIDES_YESTERDAY = "rides_yesterday"
RIDES_LAST_WEEK = "rides_last_week"
HOUR_OF_DAY = "hour_of_day"
# The mean of the same hour in past weeks.
SEASONAL_MEAN = "mean_past_weeks"
# Rides, not root counts: see `usual_rides`.
USUAL_RIDES = "usual_rides"

# The columns that the regressions read: root counts, and differences and means of them. No column
# is a linear combination of others, or rounding errors would grow without bound under forgetting.
# The residual of the last hour would be one: lag_1 - mean_past_weeks + expected_step.
MODEL_FEATURES = (
    "constant",
    "lag_1",
    "lag_24",
    "lag_168",
    SEASONAL_MEAN,
    "residual_2",
    "residual_24h",
    "residual_of_hour",
    "city_residual",
    "expected_step",
    "expected_step_day_type",
    "next_past_weeks",
    "next_day_type",
    "smooth_continuation",
    "smooth_past_weeks",
    "smooth_similar_days",
)

# Lags of the same hour on each of the past seven days, in each of the past four weeks, and on each
# of the past 21 days.
_PAST_DAYS = range(HOURS_PER_DAY, HOURS_PER_WEEK + 1, HOURS_PER_DAY)
_PAST_WEEKS = range(HOURS_PER_WEEK, 4 * HOURS_PER_WEEK + 1, HOURS_PER_WEEK)
_LONGEST_LAG_OF_TYPE = 3 * HOURS_PER_WEEK
_RESIDUAL_HOURS = HOURS_PER_WEEK
_HISTORY_HOURS = DAYS * HOURS_PER_DAY + 1  # the longest lag, and one hour more
_FIRST_FIT_HOURS = 2 * HOURS_PER_DAY
_RANK = 12
# Weight of the last residual in the fading mean of those at its hour of the day.
_RESIDUAL_STEP = 0.2
_SATURDAY = 5


class Features(Mapping[str, Floats]):
    """The features of all zones for one hour: a column for each name, `float64[zones]`.

    They cannot be changed: they are kept until the hour is learned.

    Parameters
    ----------
    columns
        The features, `float64[zones]` each.
    """

    def __init__(self, columns: Mapping[str, Floats]) -> None:
        self._names = {name: i for i, name in enumerate(columns)}
        self._columns = np.array(list(columns.values()), np.float64)
        self._columns.flags.writeable = False

    def __deepcopy__(self, memo: dict[int, Any]) -> "Features":
        """Return the features themselves: they never change."""
        return self

    def __getitem__(self, name: str) -> Floats:
        column: Floats = self._columns[self._names[name]]
        return column

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)

    def matrix(self, names: Sequence[str]) -> Floats:
        """Return some features, `float64[zones, names]`, its columns contiguous."""
        return self._columns[[self._names[name] for name in names]].T


class RideHistory:
    """The last four weeks of rides of all zones, and the features computed from them.

    `append` adds an hour; `features` describes the hour after the last one. The residual of an
    hour is its root count minus its seasonal mean (the mean of the same hour in past weeks).
    """

    def __init__(self) -> None:
        self._root_counts = RecentRows(_HISTORY_HOURS, ZONE_COUNT)
        self._residuals = RecentRows(_RESIDUAL_HOURS, ZONE_COUNT)
        self._residual_of_hour = np.zeros((HOURS_PER_DAY, ZONE_COUNT))  # from the first hour on
        self._seasonal = np.zeros(ZONE_COUNT)  # seasonal mean of the last hour
        self._subspace = Subspace(_RANK)
        self._similar = SimilarDays()
        self._usual = UsualRides()
        self._hours = 0

    def __len__(self) -> int:
        """Return the number of hours in the history."""
        return len(self._root_counts.rows)

    @property
    def root_counts(self) -> Floats:
        """The square roots of rides, `float64[hours, zones]`, oldest first; four weeks at most."""
        return self._root_counts.rows

    @property
    def residuals(self) -> Floats:
        """The residuals of the past week, `float64[hours, zones]`, oldest first."""
        return self._residuals.rows

    @property
    def subspace(self) -> Subspace:
        """The directions in which the zones vary together."""
        return self._subspace

    def append(self, rides: Counts) -> None:
        """Add the rides of the next hour, `int64[zones]`."""
        root_count = np.sqrt(rides.astype(np.float64))
        seasonal = self._seasonal_mean()
        residual = root_count - seasonal if len(self) >= HOURS_PER_DAY else np.zeros(ZONE_COUNT)
        self._root_counts.append(root_count)
        self._residuals.append(residual)
        of_hour = self._residual_of_hour[self._hours % HOURS_PER_DAY]
        of_hour += _RESIDUAL_STEP * (residual - of_hour)
        self._seasonal = seasonal.copy()
        self._similar.append(self._root_counts.rows)
        self._usual.append(rides)
        self._hours += 1
        if self._hours >= _FIRST_FIT_HOURS and self._hours % HOURS_PER_DAY == 0:
            self._subspace.fit(self._root_counts.rows)

    def usual_rides(self, ahead: int) -> Floats:
        """Return the usual rides of the hour so many hours after the last one."""
        return self._usual.mean(ahead)

    def features(self, hour_ts: int) -> Features:
        """Return the features of the hour after the last one.

        Parameters
        ----------
        hour_ts
            Start of that hour, epoch milliseconds.

        Returns
        -------
        Features
            Those of `MODEL_FEATURES`; the usual rides; the hour of the day, 0 to 23; and three
            counts of rides for the baselines (NaN where the history does not reach back to that
            hour).
        """
        last = self._lag(1, np.zeros(ZONE_COUNT))
        day_mean = self._mean_of_lags(_PAST_DAYS, last)
        week_mean = self._mean_of_lags(_PAST_WEEKS, day_mean)
        of_type = same_day_type_lags(hour_of_week(hour_ts), _LONGEST_LAG_OF_TYPE)
        type_mean = self._mean_of_lags(of_type, day_mean)
        usual = _tail_mean(self._root_counts.rows, HOURS_PER_WEEK)
        weights = self._similar.weights()
        similar = self._similar_mean(weights, 0, last)
        similar_before = self._similar_mean(weights, 1, last)
        return Features(
            {
                "constant": np.ones(ZONE_COUNT),
                "lag_1": last,
                "lag_24": self._lag(HOURS_PER_DAY, day_mean),
                "lag_168": self._lag(HOURS_PER_WEEK, week_mean),
                SEASONAL_MEAN: week_mean,
                "residual_2": self._residual(2),
                "residual_24h": _tail_mean(self._residuals.rows, HOURS_PER_DAY),
                "residual_of_hour": self._residual_of_hour[self._hours % HOURS_PER_DAY],
                "city_residual": _weighted_mean(self._residual(1), usual) * usual,
                "expected_step": week_mean - self._seasonal,
                "expected_step_day_type": type_mean - self._mean_of_lags(_shift(of_type, 1), last),
                "next_past_weeks": self._mean_of_lags(
                    _shift(_PAST_WEEKS, -1), self._next_day(last)
                ),
                "next_day_type": self._mean_of_lags(_shift(of_type, -1), last),
                # The last hour, continued as similar days went on from it.
                "smooth_continuation": self._subspace.smooth(last + similar - similar_before),
                "smooth_past_weeks": self._subspace.shrink(week_mean),
                "smooth_similar_days": self._subspace.shrink(similar),
                USUAL_RIDES: self._usual.mean(),
                HOUR_OF_DAY: np.full(ZONE_COUNT, hour_of_week(hour_ts) % HOURS_PER_DAY),
                RIDES_LAST_HOUR: self._rides(1),
                RIDES_YESTERDAY: self._rides(HOURS_PER_DAY),
                RIDES_LAST_WEEK: self._rides(HOURS_PER_WEEK),
            }
        )

    def _lag(self, hours: int, otherwise: Floats) -> Floats:
        return self._root_counts.rows[-hours] if hours <= len(self) else otherwise

    def _next_day(self, otherwise: Floats) -> Floats:
        """Return the root counts of the next hour, one day earlier."""
        return self._lag(HOURS_PER_DAY - 1, otherwise)

    def _residual(self, hours: int) -> Floats:
        return self._residuals.rows[-hours] if hours <= len(self) else np.zeros(ZONE_COUNT)

    def _rides(self, hours: int) -> Floats:
        root_count = self._lag(hours, np.full(ZONE_COUNT, np.nan))
        return np.round(root_count * root_count)

    def _mean_of_lags(self, lags: Iterable[int], otherwise: Floats) -> Floats:
        rows = self._root_counts.rows
        known = [-lag for lag in lags if lag <= len(rows)]
        return rows[known].mean(axis=0) if known else otherwise

    def _similar_mean(self, weights: Floats, before: int, otherwise: Floats) -> Floats:
        """Return the mean over similar days of the hour that is `before` hours before this one."""
        if not len(weights):
            return otherwise
        lags = HOURS_PER_DAY * np.arange(1, len(weights) + 1) + before
        mean: Floats = (weights * self._root_counts.rows[-lags]).sum(axis=0)
        return mean

    def _seasonal_mean(self) -> Floats:
        """Return the mean of this hour in past weeks, else in past days, else the last hour."""
        last = self._lag(1, np.zeros(ZONE_COUNT))
        return self._mean_of_lags(_PAST_WEEKS, self._mean_of_lags(_PAST_DAYS, last))


def _tail_mean(rows: Floats, hours: int) -> Floats:
    return rows[-hours:].mean(axis=0) if len(rows) else np.zeros(ZONE_COUNT)


def _weighted_mean(values: Floats, weights: Floats) -> float:
    total = float(weights.sum())
    return float((values * weights).sum()) / total if total > 0 else 0.0


def _shift(lags: Iterable[int], hours: int) -> list[int]:
    return [lag + hours for lag in lags]


@cache
def same_day_type_lags(hour: int, longest: int) -> list[int]:
    """Return the lags of an hour of the week on past days of the same type, `longest` at most.

    The types are weekday and weekend (Saturday and Sunday).
    """
    weekend = _is_weekend(hour)
    days = range(HOURS_PER_DAY, longest + 1, HOURS_PER_DAY)
    return [lag for lag in days if _is_weekend(hour - lag) == weekend]


def _is_weekend(hour: int) -> bool:
    return hour % HOURS_PER_WEEK // HOURS_PER_DAY >= _SATURDAY
