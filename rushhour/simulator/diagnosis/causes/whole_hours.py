"""Times are not the start of an hour, such as the last second of it."""

from rushhour.core.arrays import Mask
from rushhour.core.hours import HOUR_MS, SECOND_MS
from rushhour.simulator.diagnosis.case import Case, shifted
from rushhour.simulator.diagnosis.finding import Finding
from rushhour.simulator.diagnosis.times import Times


def examine(case: Case, column: str) -> Finding | None:
    """Look for times within an hour, if the actuals have none."""
    mine, theirs = case.predictions.times(column), case.actuals.times(column)
    within = _within(mine)
    if not within.any() or _within(theirs).any():
        return None
    rest = mine.ts % HOUR_MS
    is_the_end = bool((rest[within] >= HOUR_MS - SECOND_MS).all())
    prediction, actual = case.example(within, column)
    return Finding(
        "whole_hours",
        f"{column} of the predictions is "
        + ("the last moment of the hour" if is_the_end else "within the hour")
        + ", and in the actuals its start",
        int(within.sum()),
        f'round down: df["{column}"].dt.floor("h")'
        + ("" if is_the_end else ", if a prediction is for the hour in which its time lies"),
        prediction,
        actual,
        mended=shifted(case.predictions, column, -rest) if is_the_end else None,
    )


def _within(times: Times) -> Mask:
    found: Mask = times.readable & ((times.ts % HOUR_MS != 0) | ~times.whole_ms)
    return found
