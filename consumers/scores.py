"""Rolling errors of every model, per zone and for the city, over the last 24 h and 168 h.

An error is predicted minus actual rides: positive means that too many were expected. A pair
counts only where the model had a prediction.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from consumers.columns import Zones, to_values
from core.hours import HOUR_MS, HOURS_PER_DAY, HOURS_PER_WEEK
from core.models import REFERENCE
from core.zones import ZONE_COUNT

Floats = npt.NDArray[np.float64]

WINDOWS = (HOURS_PER_DAY, HOURS_PER_WEEK)
SCORES = {
    "mae": "Mean absolute error, rides an hour",
    "rmse": "Root mean squared error, rides an hour",
    "bias": "Mean of predicted minus actual rides",
    "skill": "1 - MAE / MAE of the same hour last week",
}


@dataclass(frozen=True, slots=True)
class Scores:
    """Mean absolute error, root mean squared error, bias and skill over one window.

    Arrays have one entry per zone, or a single one for the city. Skill is 1 - MAE / MAE of
    the same hour last week, over the pairs that both models have. NaN where there is no pair
    to judge by.
    """

    mae: Floats
    rmse: Floats
    bias: Floats
    skill: Floats


class RollingErrors:
    """Errors of each model for the last week of closed hours.

    An hour's errors lie in a slot that is a function of the hour, so sums are made in the
    same order, and give the same digits, after a restart.
    """

    def __init__(self) -> None:
        self._errors: dict[str, Floats] = {}
        self._valid: dict[str, Floats] = {}

    @property
    def models(self) -> tuple[str, ...]:
        """Names of the models seen so far."""
        return tuple(self._errors)

    def learn(
        self,
        hour_ts: int,
        rides: npt.NDArray[Any],
        by_model: dict[str, Floats],
        zones: Zones | slice = slice(None),
    ) -> None:
        """Take in one closed hour: rides and predictions of the given zones, of all if none.

        The hours of a zone must come in order, without a gap.
        """
        slot = _slot(hour_ts)
        for name, predicted in by_model.items():
            if name not in self._errors:
                self._errors[name] = np.zeros((HOURS_PER_WEEK, ZONE_COUNT))
                self._valid[name] = np.zeros((HOURS_PER_WEEK, ZONE_COUNT))
            valid = ~np.isnan(predicted)
            self._errors[name][slot, zones] = np.where(valid, predicted - rides, 0.0)[zones]
            self._valid[name][slot, zones] = valid[zones]

    def zone_scores(self, model: str, window: int, last_hour: int) -> Scores:
        """Return one model's scores per zone, over the `window` hours that end with `last_hour`.

        They hold for the zones that have come to that hour.
        """
        return _Sums(*self._sums(model, window, last_hour)).scores()

    def city_scores(self, model: str, window: int, last_hour: int) -> Scores:
        """Return one model's scores over all zones, which must all have come to `last_hour`."""
        sums = self._sums(model, window, last_hour)
        return _Sums(*(values.sum(keepdims=True) for values in sums)).scores()

    def _sums(self, model: str, window: int, last_hour: int) -> tuple[Floats, ...]:
        errors, valid = self._window(model, window, last_hour)
        absolute = np.abs(errors)
        own = (valid, errors, absolute, errors * errors)
        if REFERENCE not in self._errors:
            never = np.zeros_like(valid)
            return tuple(values.sum(axis=0) for values in (*own, never, never))
        reference, reference_valid = self._window(REFERENCE, window, last_hour)
        shared = (absolute * reference_valid, np.abs(reference) * valid)
        return tuple(values.sum(axis=0) for values in (*own, *shared))

    def _window(self, model: str, window: int, last_hour: int) -> tuple[Floats, Floats]:
        if window == HOURS_PER_WEEK:
            return self._errors[model], self._valid[model]
        slots = [_slot(last_hour - age * HOUR_MS) for age in range(window)]
        return self._errors[model][slots], self._valid[model][slots]


@dataclass(frozen=True, slots=True)
class _Sums:
    """Sums over a window; `shared_*` are over pairs that the model and the reference both have."""

    pairs: Floats
    errors: Floats
    absolute: Floats
    squares: Floats
    shared_absolute: Floats
    shared_reference: Floats

    def scores(self) -> Scores:
        return Scores(
            mae=_ratio(self.absolute, self.pairs),
            rmse=np.sqrt(_ratio(self.squares, self.pairs)),
            bias=_ratio(self.errors, self.pairs),
            skill=1.0 - _ratio(self.shared_absolute, self.shared_reference),
        )


def _slot(hour_ts: int) -> int:
    return hour_ts // HOUR_MS % HOURS_PER_WEEK


def _ratio(top: Floats, bottom: Floats) -> Floats:
    out: Floats = np.full(top.shape, np.nan)
    np.divide(top, bottom, out=out, where=bottom > 0)
    return out


def score_field(score: str, window: int) -> str:
    """Return the name that a score over the last `window` hours has in Redis.

    >>> score_field("mae", 24)
    'mae_24h'
    """
    return f"{score}_{window}h"


def named_scores(scores: Scores, window: int) -> list[tuple[str, list[Any]]]:
    """Return scores by the name of their field in Redis, as Redis holds them."""
    return [(score_field(name, window), to_values(getattr(scores, name))) for name in SCORES]
