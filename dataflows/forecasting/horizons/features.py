"""Features of an hour that is several hours ahead, computed from what is closed by now.

All enter as square roots of rides, as in `dataflows.forecasting.features`.
"""

from collections.abc import Iterable

import numpy as np

from dataflows.forecasting.features import USUAL_RIDES, Features, RideHistory, same_day_type_lags
from dataflows.forecasting.horizons.similar_hours import SimilarHours
from rushhour.core.arrays import Floats
from rushhour.core.hours import HOURS_PER_DAY, HOURS_PER_WEEK, hour_of_week
from rushhour.core.zones import ZONE_COUNT

WEEKS = "mean_past_weeks"
DAYS_OF_TYPE = "mean_same_day_type"

# The columns that the regressions read. Their ridge keeps them apart where some depend on others.
AHEAD_FEATURES = (
    "constant",
    "lag_day",
    "lag_168",
    WEEKS,
    DAYS_OF_TYPE,
    "residual",
    "residual_24h",
    "residual_of_hour",
    "expected_step",
    "expected_step_day_type",
    "next_past_weeks",
    "next_day_type",
    "mean_around_past_weeks",
    "smooth_past_weeks",
    "smooth_residual",
    "similar_days",
)

_LONGEST_LAG = 4 * HOURS_PER_WEEK
_LONGEST_LAG_OF_TYPE = 3 * HOURS_PER_WEEK
_RESIDUAL_STEP = 0.2  # per day: weight of the last residual in the mean of its hour of the day


class AheadHistory:
    """Describes hours ahead from the rides of the past, and keeps what only that needs.

    Parameters
    ----------
    history
        The rides of past hours. `update` follows each hour that is added to it.
    """

    def __init__(self, history: RideHistory) -> None:
        self._history = history
        self._similar = SimilarHours()
        self._of_hour = np.zeros((HOURS_PER_DAY, ZONE_COUNT))

    def update(self, hour_ts: int) -> None:
        """Take up the hour that starts at `hour_ts` (epoch ms), just added to the history."""
        rows = self._history.root_counts
        self._similar.update(rows)
        mean = self._of_hour[hour_of_week(hour_ts) % HOURS_PER_DAY]
        mean += _RESIDUAL_STEP * (self._history.residuals[-1] - mean)

    def features(self, hour_ts: int, horizon: int) -> Features:
        """Return the features of an hour, from those up to `horizon` hours before it.

        Parameters
        ----------
        hour_ts
            Start of that hour, epoch milliseconds: `horizon` hours after the last one of the
            history.
        horizon
            1 to 168 hours.
        """
        rows = self._history.root_counts
        residuals, smooth = self._history.residuals, self._history.subspace.smooth
        lags = _Lags(rows, horizon)
        last = rows[-1] if len(rows) else np.zeros(ZONE_COUNT)
        residual = residuals[-1] if len(residuals) else np.zeros(ZONE_COUNT)
        day = -(-horizon // HOURS_PER_DAY) * HOURS_PER_DAY  # the shortest lag of whole days
        weeks = range(HOURS_PER_WEEK, _LONGEST_LAG + 1, HOURS_PER_WEEK)
        of_type = [
            lag
            for lag in same_day_type_lags(hour_of_week(hour_ts), _LONGEST_LAG_OF_TYPE)
            if lag >= day
        ]
        day_mean = lags.mean(range(day, HOURS_PER_WEEK + 1, HOURS_PER_DAY), last)
        week_mean = lags.mean(weeks, day_mean)
        type_mean = lags.mean(of_type, day_mean)
        next_day = lags.mean([day - 1], last)
        return Features(
            {
                "constant": np.ones(ZONE_COUNT),
                "lag_day": lags.mean([day], day_mean),
                "lag_168": lags.mean([HOURS_PER_WEEK], week_mean),
                WEEKS: week_mean,
                DAYS_OF_TYPE: type_mean,
                "residual": residual,
                "residual_24h": residuals[-HOURS_PER_DAY:].mean(axis=0)
                if len(residuals)
                else residual,
                "residual_of_hour": self._of_hour[hour_of_week(hour_ts) % HOURS_PER_DAY],
                # From the last hour to this one, in past weeks and on past days.
                "expected_step": week_mean - (last - residual),
                "expected_step_day_type": type_mean - lags.mean(_shift(of_type, horizon), last),
                "next_past_weeks": lags.mean(_shift(weeks, -1), next_day),
                "next_day_type": lags.mean(_shift(of_type, -1), last),
                "mean_around_past_weeks": lags.mean(
                    [lag + step for lag in weeks for step in (-1, 0, 1)], week_mean
                ),
                "smooth_past_weeks": smooth(week_mean),
                "smooth_residual": smooth(residual),
                "similar_days": self._similar.mean(rows, horizon, last),
                USUAL_RIDES: self._history.usual_rides(horizon),
            }
        )


class _Lags:
    """Rides of hours before the one that is described, of those that are known.

    Parameters
    ----------
    rows
        Root counts, `float64[hours, zones]`: the last is `horizon` hours before that hour.
    """

    def __init__(self, rows: Floats, horizon: int) -> None:
        self._rows = rows
        self._horizon = horizon

    def mean(self, lags: Iterable[int], otherwise: Floats) -> Floats:
        """Return the mean of the known hours so many hours before; `otherwise` if there is none."""
        count = len(self._rows)
        places = [count + self._horizon - 1 - lag for lag in lags if lag >= self._horizon]
        known = [place for place in places if place >= 0]
        return self._rows[known].mean(axis=0) if known else otherwise


def _shift(lags: Iterable[int], hours: int) -> list[int]:
    return [lag + hours for lag in lags]
