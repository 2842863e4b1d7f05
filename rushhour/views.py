"""Redis as pandas: the tables that a feature store and monitoring expect.

`from_hour` and `until_hour`, both included, select hours. An hour is one of

- text: '2024-10-02 23:00', or a date, which as `until_hour` means the whole day;
- a `datetime` or `pandas.Timestamp` at the start of an hour: with a zone it is converted to UTC,
  without one it is UTC already;
- an int: epoch **milliseconds**.

Without them, a view has all hours of the run that are closed so far, and kept (`--keep`). In every
table `pickup_hour` is a UTC timestamp and `pickup_ts` the same instant as int64 epoch milliseconds.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, cast

import numpy as np
import pandas as pd
import redis

from rushhour.core import keys
from rushhour.core.arrays import Floats
from rushhour.core.errors import RedisFailure, UsageError
from rushhour.core.events import EARLIEST_MS, LATEST_MS
from rushhour.core.horizons import NEXT_HOUR
from rushhour.core.hours import (
    HOUR_MS,
    SECOND_MS,
    clock_label,
    hour_label,
    parse_from,
    parse_label,
    parse_until,
    to_ts,
)
from rushhour.core.models import DECIMALS
from rushhour.core.run import RunInfo, check_horizon
from rushhour.core.zones import ZONE_COUNT, ZONE_IDS
from rushhour.storage.clock import first_open_hour, last_hour_closed
from rushhour.storage.read_hours import read_hours, read_hours_ahead
from rushhour.storage.runs import load_run
from rushhour.storage.submissions import read_submitted, submitted_models

__all__ = ["Hour", "alerts", "comparison", "hourly_rides", "predictions"]

Hour = str | int | datetime | None


def hourly_rides(
    client: redis.Redis, from_hour: Hour = None, until_hour: Hour = None
) -> pd.DataFrame:
    """Return the rides of each closed hour and zone.

    Columns: `pickup_hour`, `rides` (int64), `pickup_location_id` (int64), `pickup_ts` (int64).

    Raises
    ------
    RedisFailure
        If Redis holds no run, or no hour is closed yet.
    UsageError
        If `from_hour` or `until_hour` is not an hour, or the hours are not closed yet.
    """
    run = load_run(client)
    hours = _closed_hours(client, run, from_hour, until_hour)
    table = _table(client, run, hours, models=(), rides=True)
    return table[["pickup_hour", "rides", "pickup_location_id", "pickup_ts"]]


def predictions(
    client: redis.Redis,
    from_hour: Hour = None,
    until_hour: Hour = None,
    model: str | None = None,
) -> pd.DataFrame:
    """Return the predictions of the served model, or of another model of the run or of a user.

    Columns: `pickup_location_id` (int64), `predicted_demand` (float64, the expected number of
    rides), `pickup_hour`; for the served model also `predicted_median` (float64, as likely too high
    as too low), and `lower` and `upper` (float64), the ends of its 90 % interval, both included.
    With `from_hour` the hour after the last closed one, the table has its prediction.

    Raises
    ------
    RedisFailure
        If Redis holds no run, or no hour is closed yet.
    UsageError
        If the run has no such model, an argument is not an hour, or it is not predicted yet.
    """
    run = load_run(client)
    model = _model(client, run, model)
    hours = _predicted_hours(client, run, from_hour, until_hour)
    table = _table(client, run, hours, models=(model,), rides=False)
    return table[["pickup_location_id", "predicted_demand", "pickup_hour", *_of_served(run, model)]]


def comparison(
    client: redis.Redis,
    from_hour: Hour = None,
    until_hour: Hour = None,
    model: str | None = None,
    horizon: int = NEXT_HOUR,
) -> pd.DataFrame:
    """Return predictions joined with actual rides: one row per hour and zone that has both.

    Columns: `pickup_hour`, `pickup_location_id` (int64), `predicted_demand` (float64), `rides`
    (int64), `prediction_error` (float64, `predicted_demand` minus `rides`); and
    `predicted_median`, `lower` and `upper` as in `predictions`.

    `horizon` is how many hours ahead the predictions were made; beyond the next hour (1), only the
    served model predicts.

    Raises
    ------
    RedisFailure
        If Redis holds no run, or no hour is closed yet.
    UsageError
        If the run has no such model or horizon, an argument is not an hour, or it is not closed
        yet.
    """
    run = load_run(client)
    model = _model(client, run, model)
    check_horizon(run, horizon)
    hours = _closed_hours(client, run, from_hour, until_hour)
    if horizon == NEXT_HOUR:
        table = _table(client, run, hours, models=(model,), rides=True)
    elif model == run.models[0]:
        table = _table_ahead(client, run, hours, horizon)
    else:
        raise UsageError(f"model '{model}' predicts the next hour only: remove the horizon")
    table["prediction_error"] = (table["predicted_demand"] - table["rides"]).round(DECIMALS)
    known = ["pickup_hour", "pickup_location_id", "predicted_demand", "rides", "prediction_error"]
    return table[[*known, *_of_served(run, model)]]


def alerts(client: redis.Redis) -> pd.DataFrame:
    """Return the alerts of the closed hours, by hour and then by zone.

    Columns: `pickup_hour` (the closed hour that raised the alert), `pickup_location_id` (int64),
    `direction` ("above" or "below": rides above or below their predictions), `relative_change`
    (float64: the rides of the last hours divided by their predictions, minus 1).

    Raises
    ------
    RedisFailure
        If Redis holds no run.
    """
    load_run(client)
    entries = [fields for _, fields in cast(list[Any], client.xrange(keys.ALERTS))]
    hours = np.array([parse_label(fields["hour"]) for fields in entries], np.int64)
    changes = [float(fields["relative_change"]) for fields in entries]
    return pd.DataFrame(
        {
            "pickup_hour": pd.to_datetime(hours, unit="ms", utc=True),
            "pickup_location_id": np.array([int(fields["zone"]) for fields in entries], np.int64),
            "direction": pd.Series([fields["direction"] for fields in entries], dtype="object"),
            "relative_change": np.array(changes, np.float64),
        }
    )


def _model(client: redis.Redis, run: RunInfo, model: str | None) -> str:
    """Return the name of the model that is asked for; the served one if none is."""
    if model is None:
        return run.models[0]
    if model not in run.models and model not in (submitted := submitted_models(client)):
        known = ", ".join((*run.models, *submitted))
        raise UsageError(f"unknown model '{model}'; this run has {known}")
    return model


def _of_served(run: RunInfo, model: str) -> tuple[str, ...]:
    """Return the columns that only the served model has."""
    return ("predicted_median", "lower", "upper") if model == run.models[0] else ()


def _table(
    client: redis.Redis, run: RunInfo, hours: range, *, models: Sequence[str], rides: bool
) -> pd.DataFrame:
    """Return one row per hour and zone for which everything that is asked for is known."""
    columns: dict[str, list[Floats]] = {}
    own = [name for name in models if name in run.models]
    for hour in read_hours(client, run, hours, models=own, rides=rides, alerts=False):
        if rides:
            columns.setdefault("rides", []).append(hour.rides)
        forecast = hour.forecast
        for name in own:
            found: tuple[Floats, ...] = (forecast.by_model[name],)
            if name == run.models[0]:
                found = (forecast.mean, forecast.median, forecast.lower, forecast.upper)
            names = ("predicted_demand", *_of_served(run, name))
            for column, values in zip(names, found, strict=True):
                columns.setdefault(column, []).append(values)
    for name in models:
        if name not in run.models:
            columns["predicted_demand"] = read_submitted(client, name, hours)
    table = _rows_of(hours, columns)
    return table.astype({"rides": np.int64}) if rides else table


def _table_ahead(client: redis.Redis, run: RunInfo, hours: range, horizon: int) -> pd.DataFrame:
    """Return one row per hour and zone that was forecast so far ahead."""
    columns: dict[str, list[Floats]] = {}
    for hour in read_hours_ahead(client, run, hours):
        ahead = hour.ahead[horizon]
        found = (hour.rides, ahead.mean, ahead.median, ahead.lower, ahead.upper)
        names = ("rides", "predicted_demand", *_of_served(run, run.models[0]))
        for name, values in zip(names, found, strict=True):
            columns.setdefault(name, []).append(values)
    return _rows_of(hours, columns).astype({"rides": np.int64})


def _rows_of(hours: range, columns: Mapping[str, Sequence[Floats]]) -> pd.DataFrame:
    """Return columns of zones for each hour as one row per hour and zone, those that are known."""
    hour_column = np.repeat(np.array(hours, np.int64), ZONE_COUNT)
    return pd.DataFrame(
        {
            "pickup_hour": pd.to_datetime(hour_column, unit="ms", utc=True),
            "pickup_ts": hour_column,
            "pickup_location_id": np.tile(np.array(ZONE_IDS, np.int64), len(hours)),
        }
        | {name: np.concatenate(values) for name, values in columns.items()}
    ).dropna(ignore_index=True)


def _closed_hours(client: redis.Redis, run: RunInfo, first: Hour, last: Hour) -> range:
    """Return the hours asked for; without a last one, up to the last closed hour."""
    first_ts, last_ts = hour_ts(first, parse_from), hour_ts(last, parse_until)
    if last_ts is None:
        last_ts = _last_closed(client)
        if first_ts is not None and first_ts > last_ts:
            raise UsageError(
                f"hour {clock_label(first_ts)} is not closed yet: the last closed hour is "
                f"{clock_label(last_ts)}"
            )
    return _range(client, run, first_ts, last_ts)


def _predicted_hours(client: redis.Redis, run: RunInfo, first: Hour, last: Hour) -> range:
    """Return the hours asked for; without a last one, up to the last closed hour or the next."""
    first_ts, last_ts = hour_ts(first, parse_from), hour_ts(last, parse_until)
    if last_ts is None and first_ts is None:
        last_ts = _last_closed(client)
    elif last_ts is None:
        closed = last_hour_closed(client)
        following = run.start_ts if closed is None else closed + HOUR_MS
        if first_ts is not None and first_ts > following:
            raise UsageError(
                f"hour {clock_label(first_ts)} is not predicted yet: the next hour is "
                f"{clock_label(following)}"
            )
        last_ts = following if first_ts == following else following - HOUR_MS
    return _range(client, run, first_ts, last_ts)


def _last_closed(client: redis.Redis) -> int:
    closed = last_hour_closed(client)
    if closed is None:
        raise RedisFailure("no hour is closed yet: ask again in a moment")
    return closed


def _range(client: redis.Redis, run: RunInfo, first: int | None, last: int) -> range:
    first_kept = run.first_kept(first_open_hour(client, run))
    if first is not None and run.start_ts <= first < first_kept:
        raise UsageError(
            f"hour {clock_label(first)} is not kept any more: the first hour that Redis keeps is "
            f"{clock_label(first_kept)} (see --keep)"
        )
    first = first_kept if first is None else first
    if first > last:
        raise UsageError(f"from {hour_label(first)} is after until {hour_label(last)}")
    return range(first, last + HOUR_MS, HOUR_MS)


def hour_ts(hour: Hour, parse: Callable[[str], int] = parse_from) -> int | None:
    """Return an hour as epoch milliseconds; text is read by `parse`. None stays None.

    Raises
    ------
    UsageError
        If it is not the start of an hour, or looks like epoch seconds.
    """
    if hour is None:
        return None
    if isinstance(hour, str):
        return parse(hour)
    if isinstance(hour, datetime):
        return _datetime_ts(hour)
    if isinstance(hour, bool) or not isinstance(hour, int | np.integer):
        raise UsageError(
            f"{hour!r} is not an hour: pass text such as '2024-10-02 23:00', a datetime, or epoch "
            "milliseconds as an int"
        )
    ts = int(hour)
    if EARLIEST_MS <= ts * SECOND_MS < LATEST_MS:
        raise UsageError(
            f"{ts} lies in 1970 as epoch milliseconds: is this epoch seconds? Pass {ts * SECOND_MS}"
        )
    if not EARLIEST_MS <= ts < LATEST_MS:
        raise UsageError(f"{ts} is not an hour of 2009 to 2261 in epoch milliseconds")
    if ts % HOUR_MS:
        raise UsageError(f"{ts} is not the start of an hour: round it down to {ts - ts % HOUR_MS}")
    return ts


def _datetime_ts(moment: datetime) -> int:
    if moment != moment:  # noqa: PLR0124 - pandas.NaT
        raise UsageError("NaT is not an hour")
    utc = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    if (utc.minute, utc.second, utc.microsecond, getattr(utc, "nanosecond", 0)) != (0, 0, 0, 0):
        raise UsageError(f"{moment.isoformat()} is not the start of an hour (in UTC)")
    return to_ts(utc)
