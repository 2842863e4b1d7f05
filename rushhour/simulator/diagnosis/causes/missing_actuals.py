"""The actuals have no row for some hours and zones between their first and their last hour."""

import numpy as np

from rushhour.core.hours import HOUR_MS
from rushhour.core.table_columns import ZONE
from rushhour.simulator.diagnosis.case import Case
from rushhour.simulator.diagnosis.finding import Finding


def examine(case: Case, column: str) -> Finding | None:
    """Look for whole hours and zones that the actuals leave out."""
    mine, theirs = case.predictions.times(column), case.actuals.times(column)
    ts = theirs.ts[theirs.readable]
    zones = case.predictions.numbers(ZONE).ids
    keys = case.predictions.keys(column)
    inside = (keys >= 0) & (mine.ts >= ts.min()) & (mine.ts <= ts.max())
    inside &= (mine.ts % HOUR_MS == 0) & mine.whole_ms
    lacking = inside & ~np.isin(keys, case.actuals.keys(column))
    lacking &= np.isin(zones, case.actuals.numbers(ZONE).ids)
    if not lacking.any():
        return None
    whole = lacking & ~np.isin(mine.ts, ts)
    hours = len(np.unique(mine.ts[whole]))
    prediction, actual = case.example(lacking, column)
    return Finding(
        "missing_actuals",
        "the actuals have no row for these hours and zones"
        + (f"; {hours:,} hours are missing as a whole" if hours else ""),
        int(lacking.sum()),
        "if there were no rides, add rows with 0 rides to the actuals; else complete them",
        prediction,
        actual,
    )
