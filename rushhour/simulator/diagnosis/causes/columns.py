"""A column is missing, or has another name."""

from rushhour.core.table_columns import HOUR, PREDICTED, RIDES, TS, ZONE
from rushhour.simulator.diagnosis.case import TIME_COLUMNS, Case, Table
from rushhour.simulator.diagnosis.finding import Finding, Side

# What is examined, in this order.
_TABLES, _NAMES, _TIME, _VALUES, _RIDES = "tables", "names", "time", "values", "rides"
EXAMINED = (_TABLES, _NAMES, ZONE, _TIME, _VALUES, _RIDES)

_NAMES_OF = {
    HOUR: ("hour", "pickup_time", "pickup_datetime", "timestamp", "datetime", "ds"),
    TS: ("ts", "pickup_timestamp", "timestamp_ms", "epoch_ms"),
    ZONE: ("zone", "zone_id", "location", "location_id", "pulocationid", "pickup_zone"),
    PREDICTED: ("prediction", "predicted", "predictions", "demand", "forecast", "y_pred", "yhat"),
    RIDES: ("ride", "actual", "actuals", "count", "demand", "y"),
}


def examine(case: Case, column: str) -> Finding | None:
    """Look for columns that a join needs, and for the same ones in another spelling."""
    if column == _TABLES:
        return _swapped(case)
    if column == _NAMES:
        return _misspelt(case)
    if column == _TIME:
        return _time(case)
    if column == _VALUES:
        return _missing(case.predictions, "predictions", (PREDICTED,))
    if column == _RIDES:
        return _missing(case.actuals, "actuals", (RIDES,))
    return _missing(case.predictions, "predictions", (ZONE,), is_fatal=True) or _missing(
        case.actuals, "actuals", (ZONE,), is_fatal=True
    )


def _swapped(case: Case) -> Finding | None:
    mine, theirs = case.predictions, case.actuals
    if PREDICTED in mine or RIDES not in mine or RIDES in theirs or PREDICTED not in theirs:
        return None
    return Finding(
        "columns",
        f"the predictions have {RIDES}, and the actuals {PREDICTED}: they are the wrong way round",
        len(mine),
        "exchange the two files",
        is_fatal=True,
    )


def _misspelt(case: Case) -> Finding | None:
    """Find names that differ in case, blanks and hyphens only; and the TLC's own name of a zone."""
    known = {_plain(name): name for name in (*_NAMES_OF, ZONE)} | {"pulocationid": ZONE}
    renamed = {
        name: known[_plain(name)]
        for name in case.predictions.columns
        if _plain(name) in known and known[_plain(name)] not in case.predictions
    }
    if not renamed or len(set(renamed.values())) < len(renamed):
        return None
    names = [renamed.get(name, name) for name in case.predictions.columns]
    return Finding(
        "columns",
        "the predictions have " + ", ".join(f"'{old}' for {new}" for old, new in renamed.items()),
        len(case.predictions),
        f"rename: df.rename(columns={renamed})",
        mended=case.predictions.arrow.rename_columns(names),
    )


def _time(case: Case) -> Finding | None:
    if case.time_columns:
        return None
    missing = _missing(case.predictions, "predictions", TIME_COLUMNS, is_fatal=True) or _missing(
        case.actuals, "actuals", TIME_COLUMNS, is_fatal=True
    )
    if missing is not None:
        return missing
    (mine,) = (name for name in TIME_COLUMNS if name in case.predictions)
    (theirs,) = (name for name in TIME_COLUMNS if name in case.actuals)
    column = case.predictions.arrow.column(mine)
    return Finding(
        "columns",
        f"the predictions have {mine}, and the actuals {theirs}: no time in common",
        len(case.predictions),
        f"add {theirs}, the same instants, to the predictions",
        mended=case.predictions.with_column(theirs, column),
    )


def _missing(
    table: Table, side: Side, names: tuple[str, ...], *, is_fatal: bool = False
) -> Finding | None:
    if any(name in table for name in names):
        return None
    wanted = " or ".join(names)
    similar = [each for each in table.columns for name in names if _is_similar(each, name)]
    cure = (
        f"if it is '{similar[0]}', rename it to {names[0]}"
        if similar
        else f"add {wanted}; the columns are {', '.join(table.columns)}"
    )
    return Finding(
        "columns", f"the {side} have no column {wanted}", len(table), cure,
        side=side, is_fatal=is_fatal,
    )  # fmt: skip


def _is_similar(found: str, name: str) -> bool:
    return _plain(found) in _NAMES_OF[name]


def _plain(name: str) -> str:
    return name.strip().lower().replace(" ", "_").replace("-", "_")
