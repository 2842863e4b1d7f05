"""Rolling errors of every model, per zone and for the city, over the last 24 h and 168 h.

An error is predicted minus actual rides: positive means that too many were expected. A pair
counts only where the model had a prediction.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from rushhour.core.hours import HOUR_MS, HOURS_PER_DAY, HOURS_PER_WEEK
from rushhour.core.models import REFERENCE
from rushhour.core.zones import ZONE_COUNT
from rushhour.storage.columns import Floats, ZoneMask, to_values

_SUMS = 6  # how many figures a score is made of

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
        self._place: dict[str, int] = {}  # of a model in the arrays
        self._errors = np.zeros((0, HOURS_PER_WEEK, ZONE_COUNT))
        self._valid = np.zeros((0, HOURS_PER_WEEK, ZONE_COUNT))
        # The sums over the zones of each hour: the city's scores of all models are made of them.
        self._city = np.zeros((0, HOURS_PER_WEEK, _SUMS))

    @property
    def models(self) -> tuple[str, ...]:
        """Names of the models, as the first hour named them."""
        return tuple(self._place)

    def learn(
        self,
        hour_ts: int,
        rides: npt.NDArray[Any],
        by_model: dict[str, Floats],
        zones: ZoneMask | slice = slice(None),
    ) -> None:
        """Take in one closed hour: rides and predictions of the given zones, of all if none.

        The hours of a zone must come in order, without a gap, and name the same models.
        """
        if not self._place:
            self._make_room(by_model)
        slot = slot_of(hour_ts)
        predicted = np.stack([by_model[name] for name in self._place])
        valid = ~np.isnan(predicted)
        errors, known = self._errors[:, slot], self._valid[:, slot]
        errors[:, zones] = np.where(valid, predicted - rides, 0.0)[:, zones]
        known[:, zones] = valid[:, zones]
        for i, term in enumerate(_terms(errors, known, *self._reference(slot))):
            self._city[:, slot, i] = term.sum(axis=-1)

    def _make_room(self, models: Iterable[str]) -> None:
        self._place = {name: place for place, name in enumerate(models)}
        size = (len(self._place), HOURS_PER_WEEK)
        self._errors = np.zeros((*size, ZONE_COUNT))
        self._valid = np.zeros((*size, ZONE_COUNT))
        self._city = np.zeros((*size, _SUMS))

    def zone_scores(self, model: str, window: int, last_hour: int) -> Scores:
        """Return one model's scores per zone, over the `window` hours that end with `last_hour`.

        They hold for the zones that have come to that hour.
        """
        place, slots = self._place[model], slots_of(window, last_hour)
        own = self._errors[place][slots], self._valid[place][slots]
        return _scores(*(term.sum(axis=0) for term in _terms(*own, *self._reference(slots))))

    def city_scores(self, model: str, window: int, last_hour: int) -> Scores:
        """Return one model's scores over all zones, which must all have come to `last_hour`."""
        hours = self._city[self._place[model]][slots_of(window, last_hour)]
        return _scores(*hours.sum(axis=0)[:, np.newaxis])

    def _reference(self, slots: Any) -> tuple[Floats, Floats]:
        """Return errors of the reference and where it has any; zeros if it is not there."""
        place = self._place.get(REFERENCE)
        if place is None:
            never = np.zeros_like(self._valid[0][slots])
            return never, never
        return self._errors[place][slots], self._valid[place][slots]


def _terms(
    errors: Floats, valid: Floats, reference: Floats, reference_valid: Floats
) -> tuple[Floats, ...]:
    """Return what has to be added up, in the order of the arguments of `_scores`."""
    absolute = np.abs(errors)
    shared = absolute * reference_valid, np.abs(reference) * valid
    return valid, errors, absolute, errors * errors, *shared


def _scores(*sums: Floats) -> Scores:
    """Judge by the sums of `_terms`; the shared ones are over pairs that both models have."""
    pairs, errors, absolute, squares, shared_absolute, shared_reference = sums
    return Scores(
        mae=ratio(absolute, pairs),
        rmse=np.sqrt(ratio(squares, pairs)),
        bias=ratio(errors, pairs),
        skill=1.0 - ratio(shared_absolute, shared_reference),
    )


def slot_of(hour_ts: int) -> int:
    """Return the place of an hour in a rolling week: a function of the hour alone."""
    return hour_ts // HOUR_MS % HOURS_PER_WEEK


def slots_of(window: int, last_hour: int) -> Any:
    """Return the places, as an index, of the `window` hours that end with `last_hour`."""
    if window == HOURS_PER_WEEK:
        return slice(None)
    return [slot_of(last_hour - age * HOUR_MS) for age in range(window)]


def ratio(top: Floats, bottom: Floats) -> Floats:
    """Divide; NaN where there is nothing to divide by."""
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
