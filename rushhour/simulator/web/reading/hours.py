"""All zones in one closed hour, and their forecast for the next: what the map shows."""

from typing import Any

import numpy as np
import redis

from rushhour.core import keys
from rushhour.core.arrays import Floats
from rushhour.core.hours import HOUR_MS, HOURS_PER_DAY, hour_label
from rushhour.core.models import DECIMALS
from rushhour.core.run import RunInfo
from rushhour.core.zones import ZONE_COUNT
from rushhour.simulator.web.reading.figures import (
    Number,
    execute,
    numbers,
    rounded,
    values,
    zone_scores,
)
from rushhour.storage.columns import from_hash
from rushhour.storage.read_hours import queue_table

# Name of a column -> the key of its table; those of `_NEXT` are of the hour that follows.
OF_HOUR = {
    "rides": keys.rides,
    "predicted": keys.predictions,
    "lower": keys.lower,
    "upper": keys.upper,
    "error": keys.errors,
}
_NEXT = {
    "next_predicted": keys.predictions,
    "next_lower": keys.lower,
    "next_upper": keys.upper,
}


def read_latest_hour(client: redis.Redis, hour_ts: int, entry: dict[str, str]) -> dict[str, Any]:
    """Return the hour that was closed last (epoch ms), given its entry of `city:hourly`.

    The errors of the last 24 hours are those of the board, which the consumer keeps.
    """
    pipe = client.pipeline(transaction=False)
    _queue_columns(pipe, hour_ts)
    pipe.zrange(keys.BOARD_MAE, 0, -1, withscores=True)
    *tables, board = execute(pipe)
    scores = zone_scores(board, ZONE_COUNT)
    mae = [None if each is None else round(each, DECIMALS) for each in scores]
    return _document(hour_ts, entry, tables, mae)


def read_past_hour(client: redis.Redis, run: RunInfo, hour_ts: int) -> dict[str, Any] | None:
    """Return any closed hour (epoch ms) of a run; None if it is not closed.

    The errors of the 24 hours up to it are computed from their tables, as the board had them then.
    """
    pipe = client.pipeline(transaction=False)
    pipe.xrange(keys.CITY_HOURLY, f"{hour_ts}-0", f"{hour_ts}-0")
    _queue_columns(pipe, hour_ts)
    day = range(max(run.start_ts, hour_ts - (HOURS_PER_DAY - 1) * HOUR_MS), hour_ts + 1, HOUR_MS)
    for hour in day:
        queue_table(pipe, keys.medians(hour_label(hour)))
        queue_table(pipe, keys.rides(hour_label(hour)))
    entries, *replies = execute(pipe)
    if not entries:
        return None
    tables, scored = replies[: -2 * len(day)], map(from_hash, replies[-2 * len(day) :])
    errors = np.array([median - next(scored) for median in scored])
    mae = rounded(mean_absolute(errors))
    return _document(hour_ts, entries[0][1], tables, mae)


def mean_absolute(errors: Floats) -> Floats:
    """Return the mean absolute error of each zone over hours: `float64[hours, zones]`.

    >>> mean_absolute(np.array([[1.0, np.nan], [-3.0, np.nan]]))
    array([ 2., nan])
    """
    known = ~np.isnan(errors)
    counts = known.sum(axis=0)
    sums = np.where(known, np.abs(errors), 0.0).sum(axis=0)
    mean: Floats = np.divide(sums, counts, out=np.full(sums.shape, np.nan), where=counts > 0)
    return mean


def _queue_columns(pipe: Any, hour_ts: int) -> None:
    for ts, columns in ((hour_ts, OF_HOUR), (hour_ts + HOUR_MS, _NEXT)):
        for key in columns.values():
            queue_table(pipe, key(hour_label(ts)))


def _document(
    hour_ts: int, entry: dict[str, str], tables: list[Any], mae_24h: list[Number]
) -> dict[str, Any]:
    columns = dict(zip((*OF_HOUR, *_NEXT), map(values, tables), strict=True))
    columns["rides"] = [None if each is None else int(each) for each in columns["rides"]]
    return {
        "pickup_ts": hour_ts,
        "city": numbers(entry, "hour"),
        "zones": columns | {"mae_24h": mae_24h},
    }
