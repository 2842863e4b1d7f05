"""Predictions are for hours after the last actual one."""

from rushhour.core.hours import clock_label
from rushhour.simulator.diagnosis.case import Case
from rushhour.simulator.diagnosis.finding import Finding


def examine(case: Case, column: str) -> Finding | None:
    """Look for hours after all actual ones."""
    mine, theirs = case.predictions.times(column), case.actuals.times(column)
    last = int(theirs.ts[theirs.readable].max())
    late = mine.readable & (mine.ts > last)
    if not late.any():
        return None
    begin, end = (clock_label(int(each)) for each in (mine.ts[late].min(), mine.ts[late].max()))
    prediction, actual = case.example(late, column)
    return Finding(
        "beyond_last_hour",
        f"predictions are for {begin if begin == end else f'{begin} to {end}'}, actuals end "
        f"{clock_label(last)}",
        int(late.sum()),
        "nothing can join before the clock has moved on: run `rushhour step`",
        prediction,
        actual,
    )
