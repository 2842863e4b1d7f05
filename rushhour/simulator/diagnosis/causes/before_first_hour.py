"""Predictions are for hours before the first actual one."""

from rushhour.core.hours import clock_label
from rushhour.simulator.diagnosis.case import Case
from rushhour.simulator.diagnosis.finding import Finding


def examine(case: Case, column: str) -> Finding | None:
    """Look for hours before all actual ones."""
    mine, theirs = case.predictions.times(column), case.actuals.times(column)
    first = int(theirs.ts[theirs.readable].min())
    early = mine.readable & (mine.ts < first)
    if not early.any():
        return None
    prediction, actual = case.example(early, column)
    return Finding(
        "before_first_hour",
        f"predictions are for {clock_label(int(mine.ts[early].min()))} on, and actuals begin "
        f"{clock_label(first)}",
        int(early.sum()),
        "drop these predictions, or use actuals that begin earlier",
        prediction,
        actual,
    )
