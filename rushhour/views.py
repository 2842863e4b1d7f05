"""Redis as pandas: the tables that the user's feature store and monitoring expect.

Hours are asked for with `from_hour` and `until_hour`, both included, as text
('2024-10-02 23:00', or a date) or as epoch milliseconds. Left out, they are the hours of
the run that are closed so far. `pickup_hour` is a UTC timestamp, `pickup_ts` the same
instant as int64 epoch milliseconds.
"""

from collections.abc import Callable
from typing import Any, cast

import numpy as np
import numpy.typing as npt
import pandas as pd
import redis

from rushhour.core import keys
from rushhour.core.errors import RedisFailure, UsageError
from rushhour.core.hours import HOUR_MS, hour_label, parse_from, parse_label, parse_until
from rushhour.core.models import DECIMALS
from rushhour.core.zones import ZONE_COUNT, ZONE_IDS
from rushhour.storage.clock import last_hour_closed
from rushhour.storage.columns import from_hash
from rushhour.storage.runs import load_run

Hour = str | int | None


def hourly_rides(
    client: redis.Redis, from_hour: Hour = None, until_hour: Hour = None
) -> pd.DataFrame:
    """Return rides of each closed hour and zone.

    Columns: `pickup_hour`, `rides` (int64), `pickup_location_id` (int64), `pickup_ts` (int64).

    Raises
    ------
    RedisFailure
        If Redis holds no run.
    """
    table = _read(client, {"rides": keys.rides}, from_hour, until_hour)
    table["rides"] = table["rides"].astype(np.int64)
    return table[["pickup_hour", "rides", "pickup_location_id", "pickup_ts"]]


def predictions(
    client: redis.Redis,
    from_hour: Hour = None,
    until_hour: Hour = None,
    model: str | None = None,
) -> pd.DataFrame:
    """Return the served predictions, or those of another model of the run if `model` names one.

    Columns: `pickup_location_id` (int64), `predicted_demand` (float64), `pickup_hour`; and, of
    the served model only, `lower` and `upper` (float64): 90 % of rides are to lie there, both
    ends included. Ask for one hour after the last closed one to see what is expected next.

    Raises
    ------
    RedisFailure
        If Redis holds no run.
    UsageError
        If the run has no such model, or the hours are none.
    """
    key_of = _prediction_keys(client, model)
    table = _read(client, key_of, from_hour, until_hour)
    return table[["pickup_location_id", "predicted_demand", "pickup_hour", *list(key_of)[1:]]]


def comparison(
    client: redis.Redis,
    from_hour: Hour = None,
    until_hour: Hour = None,
    model: str | None = None,
) -> pd.DataFrame:
    """Return predictions beside what came: one row for each hour and zone that has both.

    Columns: `pickup_hour`, `pickup_location_id` (int64), `predicted_demand` (float64),
    `rides` (int64), `prediction_error` (float64, predicted minus rides); and `lower` and `upper`
    as in `predictions`.

    Raises
    ------
    RedisFailure
        If Redis holds no run.
    UsageError
        If the run has no such model, or the hours are none.
    """
    key_of = _prediction_keys(client, model)
    table = _read(client, {**key_of, "rides": keys.rides}, from_hour, until_hour)
    table["rides"] = table["rides"].astype(np.int64)
    table["prediction_error"] = (table["predicted_demand"] - table["rides"]).round(DECIMALS)
    known = ["pickup_hour", "pickup_location_id", "predicted_demand", "rides", "prediction_error"]
    return table[[*known, *list(key_of)[1:]]]


def alerts(client: redis.Redis) -> pd.DataFrame:
    """Return the alerts of the run so far, by hour and then by zone.

    Columns: `pickup_hour` (the closed hour that raised it), `pickup_location_id` (int64), `what`
    ("more rides" or "fewer rides" than predicted), `change` (float64: the rides of the last hours
    by what was predicted for them, minus 1).

    Raises
    ------
    RedisFailure
        If Redis holds no run.
    """
    load_run(client)
    entries: list[Any] = [fields for _, fields in cast(list[Any], client.xrange(keys.ALERTS))]
    hours = np.array([parse_label(fields["hour"]) for fields in entries], np.int64)
    return pd.DataFrame(
        {
            "pickup_hour": pd.to_datetime(hours, unit="ms", utc=True),
            "pickup_location_id": np.array([int(fields["zone"]) for fields in entries], np.int64),
            "what": pd.Series([fields["what"] for fields in entries], dtype="object"),
            "change": np.array([float(fields["change"]) for fields in entries], np.float64),
        }
    )


def _prediction_keys(client: redis.Redis, model: str | None) -> dict[str, Callable[[str], str]]:
    """Return the hashes of a model: column -> key of an hour; the prediction comes first."""
    models = load_run(client).models
    if model is None or model in models[:1]:
        return {"predicted_demand": keys.predictions, "lower": keys.lower, "upper": keys.upper}
    if model not in models:
        raise UsageError(f"model '{model}' is none of this run: it has {', '.join(models)}")
    return {"predicted_demand": lambda hour: keys.model_predictions(model, hour)}


def _read(
    client: redis.Redis,
    key_of: dict[str, Callable[[str], str]],
    from_hour: Hour,
    until_hour: Hour,
) -> pd.DataFrame:
    """Return one row for each hour and zone that all the given hashes hold."""
    hours = _hours(client, from_hour, until_hour)
    pipe = client.pipeline(transaction=False)
    for hour in hours:
        for key in key_of.values():
            pipe.hgetall(key(hour_label(hour)))
    replies = iter(pipe.execute())
    columns: dict[str, list[npt.NDArray[np.float64]]] = {name: [] for name in key_of}
    found: list[int] = []
    for hour in hours:
        hashes = [next(replies) for _ in key_of]
        if all(hashes):
            found.append(hour)
            for name, values in zip(key_of, hashes, strict=True):
                columns[name].append(from_hash(values))
    hour_column = np.repeat(np.array(found, np.int64), ZONE_COUNT)
    table = pd.DataFrame(
        {
            "pickup_hour": pd.to_datetime(hour_column, unit="ms", utc=True),
            "pickup_ts": hour_column,
            "pickup_location_id": np.tile(np.array(ZONE_IDS, np.int64), len(found)),
        }
        | {name: np.concatenate(parts) if parts else np.zeros(0) for name, parts in columns.items()}
    )
    return table.dropna(ignore_index=True)


def _hours(client: redis.Redis, from_hour: Hour, until_hour: Hour) -> range:
    run = load_run(client)
    first = _ts(from_hour, parse_from)
    last = _ts(until_hour, parse_until)
    if last is None:
        last = last_hour_closed(client)
        if last is None:
            raise RedisFailure("no hour is closed yet: ask again in a moment")
    if first is None:
        first = run.start_ts
    if first > last:
        raise UsageError(f"from {hour_label(first)} is after until {hour_label(last)}")
    return range(first, last + HOUR_MS, HOUR_MS)


def _ts(hour: Hour, parse: Callable[[str], int]) -> int | None:
    return parse(hour) if isinstance(hour, str) else hour
