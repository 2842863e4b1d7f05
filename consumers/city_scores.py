"""Scores of every model over the whole city, over the last 24 h and 168 h."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from consumers.rolling import (
    ERROR_SCORES,
    INTERVAL_SCORES,
    WINDOWS,
    score_field,
    slot_of,
    slots_of,
)
from rushhour.core.hours import HOURS_PER_WEEK
from rushhour.core.models import REFERENCE
from rushhour.scoring.bands import BANDS, sum_by_band
from rushhour.scoring.coverage import is_covered
from rushhour.scoring.errors import TERMS, ErrorSums
from rushhour.scoring.interval_score import weighted_interval_score
from rushhour.scoring.ratios import ratio
from rushhour.storage.columns import to_values
from rushhour.storage.hour_tables import HourTables

_COVERED, _PAIRS = 0, 1


class CityScores:
    """Sums over all zones of each hour of the last week; the served model comes first."""

    def __init__(self, models: Sequence[str]) -> None:
        self._models = tuple(models)
        self._sums = np.zeros((HOURS_PER_WEEK, TERMS, len(self._models)))
        # Pairs with an interval, and those of them that it covered, by demand band.
        self._by_band = np.zeros((HOURS_PER_WEEK, 2, len(BANDS)))
        self._interval_scores = np.zeros(HOURS_PER_WEEK)

    def update(self, hour: HourTables) -> None:
        """Learn an hour that every zone has closed. Hours come in order, without gaps."""
        slot = slot_of(hour.hour_ts)
        forecast = hour.forecast
        predicted = np.stack([forecast.by_model[name] for name in self._models])
        mean = np.stack([forecast.mean_of(name) for name in self._models])
        reference = forecast.by_model[REFERENCE] if REFERENCE in self._models else None
        sums = ErrorSums.of(hour.rides, predicted, mean, reference).sum(axis=-1)
        self._sums[slot] = np.stack(sums.terms())
        covered = is_covered(hour.rides, forecast.lower, forecast.upper)
        self._by_band[slot, _COVERED] = sum_by_band(covered == 1, forecast.mean)
        self._by_band[slot, _PAIRS] = sum_by_band(~np.isnan(covered), forecast.mean)
        self._interval_scores[slot] = np.nansum(
            weighted_interval_score(hour.rides, forecast.median, forecast.lower, forecast.upper)
        )

    def fields(self, last_hour: int) -> dict[str, dict[str, Any]]:
        """Return the scores of each model as Redis holds them, up to `last_hour` (epoch ms).

        Only the served model has intervals.
        """
        out: dict[str, dict[str, Any]] = {name: {} for name in self._models}
        for window in WINDOWS:
            slots = slots_of(window, last_hour)
            sums = ErrorSums(*self._sums[slots].sum(axis=0))
            for score in ERROR_SCORES:
                field = score_field(score, window)
                for name, value in zip(self._models, to_values(getattr(sums, score)), strict=True):
                    out[name][field] = value
            covered, pairs = self._by_band[slots].sum(axis=(0, 2))
            of_intervals = np.array([covered, self._interval_scores[slots].sum()])
            values = to_values(ratio(of_intervals, np.array([pairs, pairs])))
            for score, value in zip(INTERVAL_SCORES, values, strict=True):
                out[self._models[0]][score_field(score, window)] = value
        return out

    def band_fields(self) -> dict[str, Any]:
        """Return the coverage of each demand band over the last 168 h, as Redis holds it."""
        covered, pairs = self._by_band.sum(axis=0)
        return dict(zip(BANDS, to_values(ratio(covered, pairs)), strict=True))
