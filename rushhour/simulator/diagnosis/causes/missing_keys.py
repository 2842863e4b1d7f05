"""A key is empty, or is no time and no zone id at all."""

from rushhour.core.arrays import Mask
from rushhour.core.table_columns import ZONE
from rushhour.simulator.diagnosis.case import Case, Table
from rushhour.simulator.diagnosis.finding import Finding


def examine(case: Case, column: str) -> Finding | None:
    """Look for rows whose key cannot be read."""
    what = "a zone id" if column == ZONE else "a time of 2009 to 2261"
    actual = _readable(case.actuals, column)
    if not actual.any():
        return Finding(
            "missing_keys",
            f"no {column} of the actuals is {what} (type {_type(case.actuals, column)})",
            len(case.actuals),
            f"write {column} of the actuals as {what}",
            actual=case.actuals.row(0, tuple(case.actuals.columns)),
            side="actuals",
            is_fatal=True,
        )
    bad = ~_readable(case.predictions, column)
    if not bad.any():
        return None
    read = case.predictions.numbers(column) if column == ZONE else case.predictions.times(column)
    empty = int((bad & read.null).sum())
    parts = [
        f"{count:,} {word}"
        for count, word in ((empty, "empty"), (int(bad.sum()) - empty, f"not {what}"))
        if count
    ]
    prediction, example = case.example(bad, None if column == ZONE else column)
    return Finding(
        "missing_keys",
        f"{column} of the predictions: {', '.join(parts)} (type {_type(case.predictions, column)})",
        int(bad.sum()),
        "find out where these rows come from, and fill or drop them; they are empty in a mended "
        "table whose type changes",
        prediction,
        example,
        is_fatal=bool(bad.all()),
    )


def _readable(table: Table, column: str) -> Mask:
    if column == ZONE:
        return table.numbers(column).whole
    return table.times(column).readable


def _type(table: Table, column: str) -> str:
    return str(table.arrow.column(column).type)
