"""Features of every zone's next hour, made of past hours only.

Counts enter as square roots: the noise of a count grows with its level, that of its square
root does not, so one linear model can serve busy and quiet zones (Anscombe, "The
transformation of Poisson, binomial and negative-binomial data", 1948).
"""

from collections.abc import Iterable

import numpy as np
import numpy.typing as npt
import pandas as pd

from core.hours import HOUR_MS, HOURS_PER_DAY, HOURS_PER_WEEK, hour_of_week
from core.zones import ZONE_COUNT

Floats = npt.NDArray[np.float64]

RIDES_LAST_HOUR = "rides_last_hour"
RIDES_YESTERDAY = "rides_yesterday"
RIDES_LAST_WEEK = "rides_last_week"

# What the model reads: square roots of rides, and differences and means of them. No column
# is a sum of others (the surprise of the last hour would be: lag_1 - mean_past_weeks +
# expected_step), or rounding errors would grow without bound under forgetting.
MODEL_FEATURES = (
    "constant",
    "lag_1",
    "lag_2",
    "lag_24",
    "lag_168",
    "mean_past_days",
    "mean_past_weeks",
    "mean_same_day_type",
    "mean_24h",
    "mean_168h",
    "surprise_2",
    "surprise_3",
    "surprise_yesterday",
    "surprise_6h",
    "surprise_24h",
    "surprise_168h",
    "city_surprise",
    "expected_step",
)

_LEVEL_HOURS = 4 * HOURS_PER_WEEK
# Lags of the same hour on each of the past seven days, and in each of the past four weeks.
_PAST_DAYS = range(HOURS_PER_DAY, HOURS_PER_WEEK + 1, HOURS_PER_DAY)
_PAST_WEEKS = range(HOURS_PER_WEEK, _LEVEL_HOURS + 1, HOURS_PER_WEEK)
_SURPRISE_HOURS = HOURS_PER_WEEK
_SATURDAY = 5


class RideHistory:
    """The last four weeks of rides of all zones, and the features that they give.

    Grows by one hour with `append`; `features` describes the hour after the last one.
    A surprise is how far an hour's level was from the mean of the same hour of past weeks.
    """

    def __init__(self) -> None:
        self._levels = np.zeros((0, ZONE_COUNT))  # square root of rides, oldest hour first
        self._surprises = np.zeros((0, ZONE_COUNT))
        self._expected = np.zeros(ZONE_COUNT)  # what past weeks said of the last hour

    def __len__(self) -> int:
        """Return how many hours are remembered."""
        return len(self._levels)

    def append(self, rides: npt.NDArray[np.int64]) -> None:
        """Remember one more hour: rides of all zones, `int64[ZONE_COUNT]`."""
        level = np.sqrt(rides.astype(np.float64))
        expected = self._seasonal_mean()
        surprise = level - expected if len(self) >= HOURS_PER_DAY else np.zeros(ZONE_COUNT)
        self._levels = _push(self._levels, level, _LEVEL_HOURS)
        self._surprises = _push(self._surprises, surprise, _SURPRISE_HOURS)
        self._expected = expected

    def features(self, hour_ts: int) -> pd.DataFrame:
        """Return one row per zone for the hour after the last one, which starts at `hour_ts`.

        Columns are `MODEL_FEATURES`, in that order, then the three raw counts that the
        baselines repeat (NaN where there is no such hour yet).
        """
        last = self._lag(1, np.zeros(ZONE_COUNT))
        day_mean = self._mean_of_lags(_PAST_DAYS, last)
        week_mean = self._mean_of_lags(_PAST_WEEKS, day_mean)
        mean_168h = _tail_mean(self._levels, HOURS_PER_WEEK)
        columns = {
            "constant": np.ones(ZONE_COUNT),
            "lag_1": last,
            "lag_2": self._lag(2, last),
            "lag_24": self._lag(HOURS_PER_DAY, day_mean),
            "lag_168": self._lag(HOURS_PER_WEEK, week_mean),
            "mean_past_days": day_mean,
            "mean_past_weeks": week_mean,
            "mean_same_day_type": self._mean_of_lags(_same_day_type_lags(hour_ts), day_mean),
            "mean_24h": _tail_mean(self._levels, HOURS_PER_DAY),
            "mean_168h": mean_168h,
            "surprise_2": self._surprise(2),
            "surprise_3": self._surprise(3),
            "surprise_yesterday": self._surprise(HOURS_PER_DAY),
            "surprise_6h": _tail_mean(self._surprises, 6),
            "surprise_24h": _tail_mean(self._surprises, HOURS_PER_DAY),
            "surprise_168h": _tail_mean(self._surprises, HOURS_PER_WEEK),
            "city_surprise": _weighted_mean(self._surprise(1), mean_168h) * mean_168h,
            "expected_step": week_mean - self._expected,
            RIDES_LAST_HOUR: self._rides(1),
            RIDES_YESTERDAY: self._rides(HOURS_PER_DAY),
            RIDES_LAST_WEEK: self._rides(HOURS_PER_WEEK),
        }
        return pd.DataFrame(np.column_stack(list(columns.values())), columns=list(columns))

    def _lag(self, hours: int, otherwise: Floats) -> Floats:
        return self._levels[-hours] if hours <= len(self) else otherwise

    def _surprise(self, hours: int) -> Floats:
        return self._surprises[-hours] if hours <= len(self) else np.zeros(ZONE_COUNT)

    def _rides(self, hours: int) -> Floats:
        level = self._lag(hours, np.full(ZONE_COUNT, np.nan))
        return np.round(level * level)

    def _mean_of_lags(self, lags: Iterable[int], otherwise: Floats) -> Floats:
        known = [self._levels[-lag] for lag in lags if lag <= len(self)]
        return np.mean(known, axis=0) if known else otherwise

    def _seasonal_mean(self) -> Floats:
        """Return the mean of the same hour in past weeks, else past days, else the last hour."""
        last = self._lag(1, np.zeros(ZONE_COUNT))
        return self._mean_of_lags(_PAST_WEEKS, self._mean_of_lags(_PAST_DAYS, last))


def _push(rows: Floats, row: Floats, memory: int) -> Floats:
    return np.vstack((rows[-memory + 1 :], row))


def _tail_mean(rows: Floats, hours: int) -> Floats:
    return rows[-hours:].mean(axis=0) if len(rows) else np.zeros(ZONE_COUNT)


def _weighted_mean(values: Floats, weights: Floats) -> float:
    total = float(weights.sum())
    return float((values * weights).sum()) / total if total > 0 else 0.0


def _same_day_type_lags(hour_ts: int) -> list[int]:
    """Return the lags of this hour of day on past days of the same type, up to three weeks.

    Types: weekday, and weekend (Saturday and Sunday).
    """
    kind = _is_weekend(hour_ts)
    return [
        lag
        for lag in range(HOURS_PER_DAY, 3 * HOURS_PER_WEEK + 1, HOURS_PER_DAY)
        if _is_weekend(hour_ts - lag * HOUR_MS) == kind
    ]


def _is_weekend(hour_ts: int) -> bool:
    return hour_of_week(hour_ts) // HOURS_PER_DAY >= _SATURDAY
