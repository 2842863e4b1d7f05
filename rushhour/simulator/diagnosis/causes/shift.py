"""Times are shifted by whole hours: New York against UTC, or the end of an hour for its start."""

from typing import Any

import numpy as np

from rushhour.core.hours import HOUR_MS
from rushhour.simulator.diagnosis.case import Case, hours_label, shifted
from rushhour.simulator.diagnosis.finding import Finding
from rushhour.simulator.diagnosis.shift_evidence import NEW_YORK, OFFSETS, Shift, find_shift

_CONDITION = "if it is the end of the hour, and the model does not just repeat the hour before: "


def examine(case: Case, column: str) -> Finding | None:
    """Look for a shift that the data shows; none is named on suspicion."""
    shift = find_shift(case, column)
    if shift is None:
        return None
    readable = case.predictions.times(column).readable
    prediction, actual = case.example(readable, column, shift.hours * HOUR_MS)
    verb, condition = ("is", "") if shift.is_certain else ("seems", _CONDITION)
    return Finding(
        "shift",
        f"{column} of the predictions {verb} {_distance(shift)}: {shift.evidence}",
        int(readable.sum()),
        condition + _cure(case, column, shift),
        prediction,
        actual,
        mended=shifted(case.predictions, column, shift.hours * HOUR_MS)
        if shift.is_certain
        else None,
    )


def _distance(shift: Shift) -> str:
    hours = shift.typical
    way = "late" if hours < 0 else "early"
    if np.ndim(shift.hours):
        return f"4 or 5 hours {way} as New York's clock changes ({_which(hours)})"
    found = f"{hours_label(hours)} {way}"
    if abs(hours) in OFFSETS:
        return f"{found} ({_which(hours)})"
    if abs(hours) == 1:
        return f"{found} ({'end of the hour for its start' if hours < 0 else 'hour before for it'})"
    return found


def _which(hours: int) -> str:
    """Return which of the two clocks the predictions show."""
    return "UTC for New York" if hours < 0 else "New York for UTC"


def _cure(case: Case, column: str, shift: Shift) -> str:
    series = f'df["{column}"]'
    if np.ndim(shift.hours):
        convert: Any = (
            f'.dt.tz_convert("{NEW_YORK}").dt.tz_localize(None).dt.tz_localize("UTC")'
            if shift.typical < 0
            else f'.dt.tz_localize(None).dt.tz_localize("{NEW_YORK}").dt.tz_convert("UTC")'
        )
        return f"convert: {series}{convert}"
    hours = shift.typical
    zone = getattr(case.predictions.times(column).type, "tz", None)
    if zone not in {None, "UTC"} and -hours in OFFSETS:
        return (
            "keep the clock's time, and label it UTC: "
            f'{series}.dt.tz_localize(None).dt.tz_localize("UTC")'
        )
    if case.predictions.times(column).kind == "timestamp":
        return f"{series} {'+' if hours > 0 else '-'} pd.Timedelta(hours={abs(hours)})"
    return f"{'add' if hours > 0 else 'subtract'} {hours_label(hours)}"
