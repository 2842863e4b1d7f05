"""Figures are empty, not finite, or text: such rows join, and cannot be scored."""

import numpy as np
import pyarrow as pa

from rushhour.core.table_columns import PREDICTED, ZONE
from rushhour.simulator.diagnosis.case import Case
from rushhour.simulator.diagnosis.finding import Finding, Side


def examine(case: Case, column: str) -> Finding | None:
    """Look for figures that are none."""
    is_mine = column == PREDICTED
    table = case.predictions if is_mine else case.actuals
    if column not in table:
        return None
    numbers = table.numbers(column)
    bad = ~np.isfinite(numbers.values)
    if not bad.any() and (numbers.kind != "text" or not len(table)):
        return None
    side: Side = "predictions" if is_mine else "actuals"
    row = table.row(int(bad.argmax()), (case.time, ZONE, column))
    prediction, actual = (row, None) if is_mine else (None, row)
    if bad.any():
        return Finding(
            "values",
            f"{column} of the {side} is empty, NaN, infinite or no number (type {numbers.type})",
            int(bad.sum()),
            "find out why; a row without a figure cannot be scored",
            prediction,
            actual,
            side=side,
        )
    mended = table.with_column(column, pa.array(numbers.values)) if is_mine else None
    return Finding(
        "values",
        f"{column} of the {side} is text ({numbers.type}), not a number",
        len(table),
        f'convert: df["{column}"].astype("float64")',
        prediction,
        actual,
        side=side,
        mended=mended,
    )
