"""Timestamps have a time zone on one side, and none on the other."""

from rushhour.simulator.diagnosis.case import Case
from rushhour.simulator.diagnosis.finding import Finding
from rushhour.simulator.diagnosis.times import Times, write_times


def examine(case: Case, column: str) -> Finding | None:
    """Compare whether the timestamps have a zone; which one makes no difference to a join."""
    mine, theirs = case.predictions.times(column), case.actuals.times(column)
    if {mine.kind, theirs.kind} != {"timestamp"} or mine.all_zoned == theirs.all_zoned:
        return None
    prediction, actual = case.example(mine.readable, column)
    series = f'df["{column}"].dt'
    cure = (
        f"{series}.tz_localize(None)" if theirs.type.tz is None else f'{series}.tz_localize("UTC")'
    )
    if mine.type.tz is not None and mine.type.tz != "UTC":
        cure = f'{series}.tz_convert("UTC").dt.tz_localize(None)'
    values = write_times(mine.ts, mine.readable, theirs)
    return Finding(
        "time_zone",
        f"{column} has {_zone(mine)} in the predictions, and {_zone(theirs)} in the actuals",
        int(mine.readable.sum()),
        f"name the zone that the times are in: {cure}"
        if mine.type.tz is None
        else f"convert: {cure}",
        prediction,
        actual,
        mended=case.predictions.with_column(column, values),
    )


def _zone(times: Times) -> str:
    return "no time zone" if times.type.tz is None else f"the time zone {times.type.tz}"
