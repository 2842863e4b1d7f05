"""Rolling scores of submitted predictions: those of the run's models, by the same code."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from consumers.city_scores import CityScores
from consumers.rolling import INTERVAL_SCORES, WINDOWS, score_field, slot_of, slots_of
from rushhour.core.arrays import Floats
from rushhour.core.forecast import Forecast
from rushhour.core.hours import HOURS_PER_WEEK, hour_label
from rushhour.core.models import REFERENCE
from rushhour.storage.columns import unknown
from rushhour.storage.hour_tables import HourTables

PAIRS = "pairs"


class SubmittedScores:
    """Scores of one user's model over the whole city, over the last 24 h and 168 h."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._scores = CityScores((name, REFERENCE))
        self._pairs = np.zeros(HOURS_PER_WEEK, np.int64)

    def update(self, hour: HourTables, predicted: Floats) -> None:
        """Learn a closed hour and what was submitted for it. Hours come in order, without gaps."""
        reference = hour.forecast.by_model.get(REFERENCE, unknown())
        by_model = {self._name: predicted, REFERENCE: reference}
        forecast = Forecast(hour.hour_ts, by_model, predicted, unknown(), unknown())
        self._scores.update(HourTables(hour.rides, forecast, unknown()))
        self._pairs[slot_of(hour.hour_ts)] = np.count_nonzero(~np.isnan(predicted - hour.rides))

    def fields(self, last_hour: int) -> Mapping[str, Any]:
        """Return the scores as Redis holds them, up to `last_hour` (epoch ms)."""
        found = self._scores.fields(last_hour)[self._name]
        out: dict[str, Any] = {"hour": hour_label(last_hour)}
        out |= {
            field: value for field, value in found.items() if not field.startswith(INTERVAL_SCORES)
        }
        for window in WINDOWS:
            pairs = self._pairs[slots_of(window, last_hour)].sum()
            out[score_field(PAIRS, window)] = int(pairs)
        return out
