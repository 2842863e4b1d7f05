"""Zones of one side are missing on the other."""

import numpy as np

from rushhour.core.table_columns import RIDES, ZONE
from rushhour.core.zones import FIRST_ZONE, LAST_ZONE
from rushhour.simulator.diagnosis.case import Case
from rushhour.simulator.diagnosis.causes.unknown_zones import zones_label
from rushhour.simulator.diagnosis.finding import Finding


def examine(case: Case, side: str) -> Finding | None:
    """Look for zones that the given side lacks.

    Predictions without some zones join all the same: that is a note.
    """
    mine, theirs = case.predictions.numbers(ZONE), case.actuals.numbers(ZONE)
    if side == "predictions":
        lacking = theirs.whole & ~np.isin(theirs.ids, mine.ids)
        if not lacking.any():
            return None
        ids = np.unique(theirs.ids[lacking]).tolist()
        return Finding(
            "missing_zones",
            f"the predictions have no row of {zones_label(ids)}",
            int(lacking.sum()),
            "predict them too, if they are to be scored",
            actual=case.actuals.row(int(lacking.argmax()), (case.time, ZONE, RIDES)),
            side="actuals",
            is_note=True,
        )
    lacking = mine.whole & ~np.isin(mine.ids, theirs.ids)
    lacking &= (mine.ids >= FIRST_ZONE) & (mine.ids <= LAST_ZONE)
    if not lacking.any():
        return None
    ids = np.unique(mine.ids[lacking]).tolist()
    prediction, actual = case.example(lacking)
    return Finding(
        "missing_zones",
        f"the actuals have no row of {zones_label(ids)}",
        int(lacking.sum()),
        "add their rides to the actuals, 0 where there were none, or drop these predictions",
        prediction,
        actual,
    )
