"""Predictions are for zones that do not exist."""

import numpy as np

from rushhour.core.zones import FIRST_ZONE, LAST_ZONE
from rushhour.simulator.diagnosis.case import Case
from rushhour.simulator.diagnosis.finding import Finding

_NAMED = 5


def examine(case: Case, column: str) -> Finding | None:
    """Look for ids outside of 1 to 265 that the actuals do not have either."""
    zones = case.predictions.numbers(column)
    known = case.actuals.numbers(column).ids
    unknown = zones.whole & ((zones.ids < FIRST_ZONE) | (zones.ids > LAST_ZONE))
    unknown &= ~np.isin(zones.ids, known)
    if not unknown.any():
        return None
    ids = np.unique(zones.ids[unknown]).tolist()
    prediction, actual = case.example(unknown)
    return Finding(
        "unknown_zones",
        f"the predictions have zones that do not exist: {zones_label(ids)}",
        int(unknown.sum()),
        f"zones are {FIRST_ZONE} to {LAST_ZONE}: find out where these ids come from, or drop them",
        prediction,
        actual,
    )


def zones_label(ids: list[int]) -> str:
    """Return the first few of some zones, and how many more there are.

    >>> zones_label([266]), zones_label([266, 267]), zones_label([1, 2, 3, 4, 5, 6, 7])
    ('zone 266', '2 zones: 266, 267', '7 zones: 1, 2, 3, 4, 5 and 2 more')
    """
    more = f" and {len(ids) - _NAMED} more" if len(ids) > _NAMED else ""
    listed = ", ".join(map(str, ids[:_NAMED])) + more
    return f"zone {listed}" if len(ids) == 1 else f"{len(ids)} zones: {listed}"
