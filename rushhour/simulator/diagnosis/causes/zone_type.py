"""Zone ids are text or floats on one side, and whole numbers on the other."""

import numpy as np
import pyarrow as pa

from rushhour.simulator.diagnosis.case import Case
from rushhour.simulator.diagnosis.finding import Finding

_NAMES = {"text": "text", "float": "floats", "integer": "whole numbers"}


def examine(case: Case, column: str) -> Finding | None:
    """Compare the types of the ids."""
    mine, theirs = case.predictions.numbers(column), case.actuals.numbers(column)
    if mine.kind == theirs.kind:
        return None
    numbers = pa.array(np.where(mine.whole, mine.ids, 0), pa.int64(), mask=~mine.whole)
    mended = numbers.cast(pa.int64() if theirs.kind == "integer" else theirs.type)
    prediction, actual = case.example(mine.whole)
    type_ = "int64" if theirs.kind == "integer" else str(theirs.type)
    return Finding(
        "zone_type",
        f"{column} is {_NAMES[mine.kind]} ({mine.type}) in the predictions, and "
        f"{_NAMES[theirs.kind]} ({theirs.type}) in the actuals",
        int(mine.whole.sum()),
        f'convert: df["{column}"].astype("{type_}")',
        prediction,
        actual,
        mended=case.predictions.with_column(column, mended),
    )
