"""Times are of another type: timestamp against bigint, text or float."""

from dataclasses import replace

import pyarrow as pa

from rushhour.simulator.diagnosis.case import Case
from rushhour.simulator.diagnosis.finding import Finding
from rushhour.simulator.diagnosis.times import UNIT_NAMES, UNITS, Times, write_times


def examine(case: Case, column: str) -> Finding | None:
    """Compare the types of the times, and how texts are written."""
    mine, theirs = case.predictions.times(column), case.actuals.times(column)
    if mine.kind == theirs.kind and (mine.kind != "text" or mine.style == theirs.style):
        return None
    values = write_times(mine.ts, mine.readable, _target(mine, theirs))
    prediction, actual = case.example(mine.readable, column)
    return Finding(
        "time_type",
        f"{column} is {_label(mine)} in the predictions, and {_label(theirs)} in the actuals",
        int(mine.readable.sum()),
        _cure(column, mine, theirs),
        prediction,
        actual,
        mended=None if values is None else case.predictions.with_column(column, values),
    )


def _target(mine: Times, theirs: Times) -> Times:
    """Return the form to write: a text keeps its zone, or that it has none, as a timestamp."""
    if theirs.kind != "timestamp" or mine.kind != "text" or not mine.readable.any():
        return theirs
    zone = (theirs.type.tz or "UTC") if mine.all_zoned else None
    return replace(theirs, type=pa.timestamp(theirs.type.unit, zone))


def _label(times: Times) -> str:
    if times.kind == "timestamp":
        return f"a timestamp ({times.type})"
    if times.kind == "text":
        return f"text ({times.type}, such as '{times.texts[times.readable.argmax()]}')"
    name = UNIT_NAMES[UNITS[times.unit]]
    return f"{'bigint' if times.kind == 'integer' else 'float'} ({times.type}, epoch {name})"


def _cure(column: str, mine: Times, theirs: Times) -> str:
    if theirs.kind == "timestamp":
        if mine.kind == "text" and mine.unit < 0:
            return f'parse: pd.to_datetime(df["{column}"]{", utc=True" if mine.all_zoned else ""})'
        return f'convert: pd.to_datetime(df["{column}"], unit="{UNITS[mine.unit]}", utc=True)'
    if theirs.kind == "text":
        return f"write {column} as the actuals do; better, make both timestamps in UTC"
    unit = UNITS[theirs.unit]
    if mine.kind == "timestamp" or (mine.kind == "text" and mine.unit < 0):
        parsed = f'pd.to_datetime(df["{column}"], utc=True)'
        return f'convert: {parsed}.astype("datetime64[{unit}, UTC]").astype("int64")'
    return f'convert: df["{column}"].astype("{theirs.type}")'
