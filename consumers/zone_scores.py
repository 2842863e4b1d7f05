"""Scores of the served model in each zone, over the last 24 h and 168 h."""

from collections.abc import Iterable

import numpy as np

from consumers.pending import HourUpdate
from consumers.rolling import COVERAGE, WINDOWS, ZONE_SCORES, score_field, slot_of, slots_of
from rushhour.core.arrays import ZoneMask
from rushhour.core.hours import HOURS_PER_WEEK
from rushhour.core.models import REFERENCE
from rushhour.core.zones import ZONE_COUNT
from rushhour.scoring.coverage import is_covered
from rushhour.scoring.errors import TERMS, ErrorSums
from rushhour.scoring.ratios import ratio
from rushhour.storage.columns import to_texts, unknown
from rushhour.storage.hour_tables import HourTables


class ZoneScores:
    """Errors and coverage of the last week of closed hours, of the zones of one consumer.

    Partitions may have reached different hours: each zone has its own last hour.
    """

    def __init__(self) -> None:
        week = (HOURS_PER_WEEK, ZONE_COUNT)
        self._sums = np.zeros((TERMS, *week))  # `ErrorSums` of single pairs
        # Whether rides lie within their interval, and whether there is one; 0 or 1.
        self._covered = np.zeros(week)
        self._has_interval = np.zeros(week)

    def update_all(self, updates: Iterable[HourUpdate]) -> None:
        """Learn every closed hour of some updates, in order."""
        for update in updates:
            if update.closed is not None:
                self.update(update.closed, update.zones)

    def update(self, hour: HourTables, zones: ZoneMask) -> None:
        """Learn a closed hour of the given zones. Each zone's hours come in order, without gaps."""
        slot = slot_of(hour.hour_ts)
        forecast = hour.forecast
        reference = forecast.by_model.get(REFERENCE, unknown())
        pairs = ErrorSums.of(hour.rides, forecast.median, forecast.mean, reference)
        for sums, term in zip(self._sums, pairs.terms(), strict=True):
            np.copyto(sums[slot], term, where=zones)
        covered = is_covered(hour.rides, forecast.lower, forecast.upper)
        np.copyto(self._covered[slot], covered == 1, where=zones)
        np.copyto(self._has_interval[slot], ~np.isnan(covered), where=zones)

    def fields(self, last_hour: int) -> dict[str, list[str]]:
        """Return the scores as Redis holds them: field -> one value per zone.

        They are valid for the zones whose last hour is `last_hour` (epoch ms).
        """
        out: dict[str, list[str]] = {}
        for window in WINDOWS:
            slots = slots_of(window, last_hour)
            sums = ErrorSums(*(term[slots].sum(axis=0) for term in self._sums))
            for name in ZONE_SCORES:
                out[score_field(name, window)] = to_texts(getattr(sums, name))
            covered, pairs = self._covered[slots], self._has_interval[slots]
            share = ratio(covered.sum(axis=0), pairs.sum(axis=0))
            out[score_field(COVERAGE, window)] = to_texts(share)
        return out
