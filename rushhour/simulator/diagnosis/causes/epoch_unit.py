"""Epoch numbers are in another unit: seconds for milliseconds, and the like.

A timestamp of 1970 that was made from such a number is one, too.
"""

from typing import Any

import numpy as np
import pyarrow as pa

from rushhour.simulator.diagnosis.case import Case
from rushhour.simulator.diagnosis.finding import Finding
from rushhour.simulator.diagnosis.times import MS, UNIT_NAMES, UNITS, Times, write_times


def examine(case: Case, column: str) -> Finding | None:
    """Compare the unit of each number with the one that is wanted."""
    mine, theirs = case.predictions.times(column), case.actuals.times(column)
    if theirs.kind == "timestamp" and theirs.unit not in (-1, theirs.declared_unit):
        summary, cure = _made_from(theirs.declared_unit - theirs.unit)
        return Finding(
            "epoch_unit",
            f"{column} of the actuals {summary}",
            int(theirs.readable.sum()),
            cure,
            actual=case.actuals.row(int(theirs.readable.argmax()), (column,)),
            side="actuals",
            is_fatal=True,
        )
    wanted = _wanted(mine, theirs)
    wrong = mine.readable & (mine.units >= 0) & (mine.units != wanted)
    if not wrong.any():
        return None
    units = [_name(unit) for unit in np.unique(mine.units[wrong]).tolist()]
    prediction, actual = case.example(wrong, column)
    mended = _in_unit(mine, wanted)
    if mine.kind == "timestamp":
        summary, cure = _made_from(wanted - int(mine.units[wrong][0]))
    else:
        summary = f"is in {' and '.join(units)} since 1970, not in {_name(wanted)}"
        cure = f"{_factor(int(mine.units[wrong][0]), wanted)} to get {_name(wanted)}"
    return Finding(
        "epoch_unit",
        f"{column} of the predictions {summary}",
        int(wrong.sum()),
        cure,
        prediction,
        actual,
        mended=case.predictions.with_column(column, mended),
    )


# How a timestamp was most likely made that is 1,000 ** steps too small: what it was, and read as.
_MISREAD = {1: ("s", "ms"), 2: ("ms", "ns"), 3: ("s", "ns")}


def _made_from(steps: int) -> tuple[str, str]:
    """Return what is wrong with a timestamp that is 1,000 ** steps too small, and the cure."""
    if steps not in _MISREAD:
        return "was made from epoch numbers in another unit", "name their unit: pd.to_datetime"
    unit, read_as = _MISREAD[steps]
    return (
        f"lies in 1970: {UNIT_NAMES[unit]} since 1970 were read as {UNIT_NAMES[read_as]}",
        f'name their unit: pd.to_datetime(numbers, unit="{unit}", utc=True)',
    )


def _wanted(mine: Times, theirs: Times) -> int:
    """Return the unit that the type declares, or that of the actuals; milliseconds by default."""
    if mine.kind == "timestamp":
        return mine.declared_unit
    return theirs.unit if theirs.kind != "timestamp" and theirs.unit >= 0 else MS


def _in_unit(times: Times, unit: int) -> Any:
    """Return the same instants in one unit, as the same kind of column."""
    if times.kind == "timestamp":
        return write_times(times.ts, times.readable, times)
    factor = 1_000 ** abs(unit - MS)
    numbers = times.ts * factor if unit >= MS else times.ts // factor
    missing = ~times.readable
    if times.kind == "text":
        texts = np.where(times.units >= 0, numbers.astype(str).astype(object), times.texts)
        return pa.array(texts, times.type, mask=missing)
    whole = pa.array(np.where(missing, 0, numbers), pa.int64(), mask=missing)
    return whole if times.kind == "integer" else whole.cast(pa.float64())


def _factor(unit: int, wanted: int) -> str:
    number = f"{1_000 ** abs(wanted - unit):,}"
    return f"multiply by {number}" if wanted > unit else f"divide by {number} (//)"


def _name(unit: int) -> str:
    return UNIT_NAMES[UNITS[unit]]
