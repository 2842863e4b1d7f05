"""Rows that do not join for a reason that no other module knows."""

from rushhour.simulator.diagnosis.case import Case
from rushhour.simulator.diagnosis.finding import Finding


def examine(case: Case, column: str) -> Finding | None:
    """Look for rows that do not join; it is asked only once no other cause is left."""
    apart = ~case.joins
    if not apart.any():
        return None
    prediction, actual = case.example(apart, column)
    return Finding(
        "unexplained",
        "rows do not join, and no known cause explains it",
        int(apart.sum()),
        "compare the keys of the two rows below; please report it",
        prediction,
        actual,
    )
