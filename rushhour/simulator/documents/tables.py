"""Documents about tables: a line of JSON for each row."""

from collections.abc import Iterator

import pandas as pd

from rushhour.core.hours import to_datetime
from rushhour.core.zones import FIRST_ZONE, zones
from rushhour.simulator.documents import schema


def comparison_documents(table: pd.DataFrame) -> Iterator[schema.Comparison]:
    """Yield the rows of `views.comparison`."""
    names = (
        "pickup_location_id",
        "predicted_demand",
        "rides",
        "prediction_error",
        "predicted_median",
        "lower",
        "upper",
    )
    unknown = [None] * len(table)  # only the served model has a median and an interval
    columns = (
        _epoch_ms(table),
        *(table[name].tolist() if name in table else unknown for name in names),
    )
    for hour_ts, zone, predicted, rides, error, median, lower, upper in zip(*columns, strict=True):
        yield schema.Comparison(
            pickup_hour=to_datetime(hour_ts),
            pickup_ts=hour_ts,
            pickup_location_id=zone,
            predicted_demand=predicted,
            rides=rides,
            prediction_error=error,
            predicted_median=median,
            lower=lower,
            upper=upper,
        )


def alert_documents(table: pd.DataFrame) -> Iterator[schema.Alert]:
    """Yield the rows of `views.alerts`."""
    columns = (
        _epoch_ms(table),
        *(table[name].tolist() for name in ("pickup_location_id", "direction", "relative_change")),
    )
    for hour_ts, zone, direction, relative_change in zip(*columns, strict=True):
        yield schema.Alert(
            pickup_hour=to_datetime(hour_ts),
            pickup_ts=hour_ts,
            pickup_location_id=zone,
            name=zones()[zone - FIRST_ZONE].name,
            direction=direction,
            relative_change=relative_change,
        )


def _epoch_ms(table: pd.DataFrame) -> list[int]:
    hours: list[int] = table["pickup_hour"].astype("datetime64[ms, UTC]").astype("int64").tolist()
    return hours
