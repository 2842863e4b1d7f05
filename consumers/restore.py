"""Take up a run where Redis says it stands: after a restart, or at its beginning."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import redis

from consumers.columns import from_hash
from consumers.pending import Forecast, PendingHours
from consumers.scores import RollingErrors
from core import keys
from core.hours import HOUR_MS, HOURS_PER_WEEK, hour_label
from core.models import BASELINES, SERVED
from core.redis_client import read_hash
from core.run import RunInfo, load_offsets
from core.status import first_open_hour
from core.topics import HOURLY_RIDES, PREDICTIONS
from core.zones import ZONE_COUNT


@dataclass(frozen=True, slots=True)
class Restored:
    """All that the consumer knows at its start."""

    pending: PendingHours
    errors: RollingErrors
    offsets: dict[tuple[str, int], int]
    pairs: int
    rides: int


def restore(client: redis.Redis, run: RunInfo) -> Restored:
    """Read the consumer's state back from what it wrote.

    Raises
    ------
    RedisError
        If the run was not prepared.
    """
    next_hour = first_open_hour(client, run.start_ts)
    errors = RollingErrors()
    for hour in range(max(run.start_ts, next_hour - HOURS_PER_WEEK * HOUR_MS), next_hour, HOUR_MS):
        forecast = _read_forecast(client, hour)
        rides = _read_column(client, keys.rides(hour_label(hour)))
        if forecast is not None and rides is not None:
            errors.learn(hour, rides.astype(np.int64), forecast.by_model)
    offsets = {
        (topic, partition): offset
        for topic in (HOURLY_RIDES, PREDICTIONS)
        for partition, offset in load_offsets(client, topic).items()
    }
    quality = read_hash(client, keys.QUALITY)
    return Restored(
        pending=PendingHours(next_hour, offsets, _read_forecast(client, next_hour)),
        errors=errors,
        offsets=offsets,
        pairs=int(quality.get("pairs_scored", 0)),
        rides=int(quality.get("rides", 0)),
    )


def _read_forecast(client: redis.Redis, hour_ts: int) -> Forecast | None:
    label = hour_label(hour_ts)
    served = _read_column(client, keys.predictions(label))
    if served is None:
        return None
    by_model = {SERVED: served}
    for name in BASELINES:
        column = _read_column(client, keys.model_predictions(name, label))
        by_model[name] = np.full(ZONE_COUNT, np.nan) if column is None else column
    return Forecast(hour_ts, by_model)


def _read_column(client: redis.Redis, key: str) -> npt.NDArray[np.float64] | None:
    values = read_hash(client, key)
    if not values:
        return None
    return from_hash(values)
