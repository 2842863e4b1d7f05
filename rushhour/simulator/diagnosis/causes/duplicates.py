"""Rows occur twice: the join then has more rows than it should."""

import numpy as np
import pandas as pd

from rushhour.core.arrays import Mask
from rushhour.core.table_columns import PREDICTED, RIDES, ZONE
from rushhour.simulator.diagnosis.case import Case
from rushhour.simulator.diagnosis.finding import Finding


def examine(case: Case, side: str) -> Finding | None:
    """Look for hours and zones that a side has more than once."""
    table = case.predictions if side == "predictions" else case.actuals
    keys = pd.Series(table.keys(case.time))
    again: Mask = (keys.duplicated() & (keys >= 0)).to_numpy()
    if not again.any():
        return None
    index = int(again.argmax())
    if side == "actuals":
        return Finding(
            "duplicates",
            "the actuals have rows for the same hour and zone",
            int(again.sum()),
            f'keep one: df.drop_duplicates(["{case.time}", "{ZONE}"])',
            actual=table.row(index, (case.time, ZONE, RIDES)),
            side="actuals",
        )
    same = table.arrow.to_pandas(ignore_metadata=True).astype(str).duplicated().to_numpy()
    differ = int((again & ~same).sum())
    prediction, actual = case.example(again)
    kept = None if differ else table.arrow.filter(np.logical_not(again))
    cure = (
        f'choose one of them, such as the last: df.drop_duplicates(["{case.time}", "{ZONE}"], '
        'keep="last")'
        if differ
        else "drop the copies: df.drop_duplicates()"
    )
    return Finding(
        "duplicates",
        "the predictions have rows for the same hour and zone"
        + (f", {differ:,} of them with another {PREDICTED}" if differ else ", all of them copies"),
        int(again.sum()),
        cure,
        prediction,
        actual,
        mended=kept,
    )
