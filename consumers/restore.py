"""Take up a run where Redis says it stands: after a restart, or at its beginning."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import redis

from consumers.columns import Zones
from consumers.pending import Forecast, PendingHours, Place
from consumers.rolling import Rolling
from consumers.share import Share
from consumers.stored import StoredHour, read_hours
from consumers.writer import as_closed
from core import keys
from core.hours import HOUR_MS, HOURS_PER_WEEK
from core.redis_client import read_hash
from core.run import RunInfo, load_offsets
from core.topics import HOURLY_RIDES, PREDICTIONS


@dataclass(frozen=True, slots=True)
class Restored:
    """All that a consumer knows of its zones at its start."""

    share: Share
    rolling: Rolling
    offsets: dict[Place, int]


def restore(client: redis.Redis, run: RunInfo, partitions: Mapping[int, Zones]) -> Restored:
    """Read the state of a consumer of the given partitions back from what was written.

    Raises
    ------
    RedisError
        If the run was not prepared.
    """
    closed = as_closed(read_hash(client, keys.CLOSED))
    next_hours = {
        partition: closed.get(partition, run.start_ts - HOUR_MS) + HOUR_MS
        for partition in partitions
    }
    first = max(run.start_ts, min(next_hours.values()) - HOURS_PER_WEEK * HOUR_MS)
    hours = range(first, max(next_hours.values()) + HOUR_MS, HOUR_MS)
    stored = read_hours(client, hours, run.models)
    rolling = Rolling()
    for hour, tables in stored.items():
        for partition, zones in partitions.items():
            if hour < next_hours[partition]:
                rolling.learn(hour, tables.rides, tables.forecast, zones)
    offsets = {
        (topic, partition): offset
        for topic in (HOURLY_RIDES, PREDICTIONS)
        for partition, offset in load_offsets(client, topic).items()
        if partition in partitions
    }
    pending = {
        partition: PendingHours(
            next_hours[partition],
            {place: offset for place, offset in offsets.items() if place[1] == partition},
            _forecast(next_hours[partition], stored, zones),
            zones,
        )
        for partition, zones in partitions.items()
    }
    return Restored(Share(pending), rolling, offsets)


def _forecast(hour: int, stored: Mapping[int, StoredHour], zones: Zones) -> Forecast | None:
    """Return what Redis holds of the forecast for an hour, if it has it for all these zones."""
    if np.isnan(stored[hour].served[zones]).any():
        return None
    return replace(stored[hour].forecast, zones=zones)
