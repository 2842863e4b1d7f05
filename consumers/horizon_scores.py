"""Scores of the forecasts further ahead, over the last 24 h and 168 h, for each horizon."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

from consumers.city_scores import CityScores
from rushhour.core.models import REFERENCE
from rushhour.storage.hour_tables import HourTables


class HorizonScores:
    """The scores of the served model at each horizon beyond the next hour.

    Parameters
    ----------
    models
        The models of the run, the served one first.
    horizons
        Hours ahead.
    """

    def __init__(self, models: Sequence[str], horizons: Iterable[int]) -> None:
        self._reference = [name for name in models[1:] if name == REFERENCE]
        self._served = models[0] if models else ""
        self._scores = {
            horizon: CityScores((self._served, *self._reference)) for horizon in horizons
        }

    def update(self, hour: HourTables) -> None:
        """Learn an hour that every zone has closed. Hours come in order, without gaps."""
        for horizon, scores in self._scores.items():
            ahead = hour.ahead[horizon]
            reference = {name: hour.forecast.by_model[name] for name in self._reference}
            judged = replace(ahead, by_model=ahead.by_model | reference)
            scores.update(HourTables(hour.rides, judged, hour.alerts))

    def fields(self, last_hour: int) -> dict[int, dict[str, Any]]:
        """Return the scores of each horizon as Redis holds them, up to `last_hour` (epoch ms)."""
        return {
            horizon: scores.fields(last_hour)[self._served]
            for horizon, scores in self._scores.items()
        }
