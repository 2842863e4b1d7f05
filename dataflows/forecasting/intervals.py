"""Intervals that hold 90 % of rides, calibrated on the errors of the past week.

Conformal prediction (Vovk, Gammerman and Shafer, "Algorithmic Learning in a Random World", 2005):
the interval is as wide as was necessary for predictions of that size in the last 168 hours. It
makes no assumption about the distribution of rides.
"""

import numpy as np
import numpy.typing as npt

from dataflows.forecasting.score_window import ScoreWindow
from rushhour.core.arrays import Counts, Floats
from rushhour.core.hours import HOUR_MS, HOURS_PER_WEEK
from rushhour.core.models import NOMINAL_COVERAGE
from rushhour.core.zones import ZONE_COUNT, ZONE_IDS

# Predicted rides at which a new group begins. Each group is calibrated separately, so that the many
# quiet zones do not decide the intervals of busy ones (Mondrian conformal prediction, same book).
_GROUP_EDGES = (
    *(0.01, 0.03, 0.1, 0.2, 0.4, 0.7, 1.0, 1.5, 2.0, 3.0),
    *(5.0, 8.0, 13.0, 20.0, 32.0, 50.0, 80.0, 128.0, 200.0),
)
_GROUPS = len(_GROUP_EDGES) + 1
_WINDOW_HOURS = HOURS_PER_WEEK
_MIN_SCORES = 50
_TAIL = (1.0 - NOMINAL_COVERAGE) / 2
# The square root of a Poisson count has a variance of about 1/4; 90 % of a normal distribution lie
# within 1.64 standard deviations. Twice that, until there are enough scores.
_POISSON_SQUARE = 0.25
_INITIAL_SCORE = 1.64
_MAX_SQUARE = 36 * _POISSON_SQUARE  # a single extreme hour says little about a zone


class ConformalIntervals:
    """Intervals for all zones of one hour, learned from the forecasts before it.

    Rides are whole numbers, and most zones have no ride in most hours: the interval {0} would hold
    99 % there, more than the nominal 90 %. So each zone and hour gets a fixed fraction v of [0, 1),
    and y rides count as y + v (a smoothed conformal predictor, same book). The score of an hour is
    sqrt(rides + v) - sqrt(prediction + 1/2), divided by the spread of its zone. The interval holds
    the whole numbers whose score lies between the 5 % and the 95 % quantile of past scores. In some
    hours of a quiet zone no number does: the interval is then the prediction alone.

    The spread is the usual size of a zone's errors, divided by that of all zones. It keeps the
    coverage of zones that are harder to predict than others of their size, such as airports.
    """

    _SPREAD_FORGETTING_FACTOR = 0.99  # per hour
    _SPREAD_PRIOR_HOURS = 24.0  # hours of usual spread assumed before the first
    _SPREAD_MIN_DEMAND = 1.0  # below it an error depends on single rides, not on the zone

    def __init__(self) -> None:
        self._squares = np.zeros(ZONE_COUNT)
        self._hours = np.zeros(ZONE_COUNT)
        self._scores = ScoreWindow(_WINDOW_HOURS, _GROUPS)

    def predict(self, hour_ts: int, predicted: Floats) -> tuple[Floats, Floats]:
        """Return the lower and the upper ends, `float64[zones]` each, both included.

        They are whole numbers, except where the prediction itself is an end.

        Parameters
        ----------
        hour_ts
            Start of the hour, epoch milliseconds.
        predicted
            Predicted rides, `float64[zones]`.
        """
        groups = _groups_of(predicted)
        low, high = (ends[groups] for ends in self._quantiles())
        fraction = _fractions(hour_ts)
        centre, spread = np.sqrt(predicted + 0.5), self._spread(predicted)
        lower = np.ceil(np.square(np.maximum(centre + low * spread, 0.0)) - fraction)
        upper = np.floor(np.square(np.maximum(centre + high * spread, 0.0)) - fraction)
        lower = np.maximum(lower, 0.0)
        empty = lower > upper
        return (
            np.where(empty, predicted, np.minimum(lower, predicted)),
            np.where(empty, predicted, np.maximum(upper, predicted)),
        )

    def update(self, hour_ts: int, rides: Counts, predicted: Floats) -> None:
        """Learn the rides and predictions of the hour that starts at `hour_ts` (epoch ms)."""
        error = np.sqrt(rides + _fractions(hour_ts)) - np.sqrt(predicted + 0.5)
        scores = error / self._spread(predicted)
        self._scores.replace(hour_ts // HOUR_MS, _groups_of(predicted), scores)
        factor, counts = self._SPREAD_FORGETTING_FACTOR, predicted >= self._SPREAD_MIN_DEMAND
        square = np.minimum(np.square(error), _MAX_SQUARE)
        self._squares = np.where(counts, factor * self._squares + square, self._squares)
        self._hours = np.where(counts, factor * self._hours + 1.0, self._hours)

    def _spread(self, predicted: Floats) -> Floats:
        """Return each zone's error size relative to the usual one; 1 where demand is low."""
        hours = float(self._hours.sum())
        usual = float(self._squares.sum()) / hours if hours else _POISSON_SQUARE
        prior = self._SPREAD_PRIOR_HOURS
        own = (self._squares + prior * usual) / (self._hours + prior)
        return np.where(predicted >= self._SPREAD_MIN_DEMAND, np.sqrt(own / usual), 1.0)

    def _quantiles(self) -> tuple[Floats, Floats]:
        """Return the lower and the upper quantile of the scores of each group."""
        low, high = self._scores.quantiles(_TAIL, _MIN_SCORES)
        return (
            np.where(np.isnan(low), -_INITIAL_SCORE, low),
            np.where(np.isnan(high), _INITIAL_SCORE, high),
        )


def _groups_of(predicted: Floats) -> npt.NDArray[np.int64]:
    return np.digitize(predicted, _GROUP_EDGES)


def _fractions(hour_ts: int) -> Floats:
    """Return a deterministic pseudo-random number in [0, 1) for each zone.

    It is a hash of hour and zone (SplitMix64: Steele, Lea and Flood, "Fast splittable pseudorandom
    number generators", 2014).
    """
    with np.errstate(over="ignore"):
        bits = np.uint64(hour_ts // HOUR_MS) * np.uint64(ZONE_COUNT) + _ZONES
        bits *= np.uint64(0x9E3779B97F4A7C15)
        bits = (bits ^ (bits >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        bits = (bits ^ (bits >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        bits ^= bits >> np.uint64(31)
    return (bits >> np.uint64(11)).astype(np.float64) * 2.0**-53


_ZONES = np.array(ZONE_IDS, np.uint64)
