"""Take up a run where Redis says it stands: after a restart, or at its beginning."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import redis

from consumers.assignment import AssignedPartitions
from consumers.pending import Forecast, PendingHours, TopicPartition
from consumers.rolling import Rolling
from consumers.writer import as_closed
from rushhour.core import keys
from rushhour.core.hours import HOUR_MS, HOURS_PER_WEEK
from rushhour.core.run import RunInfo
from rushhour.core.topics import HOURLY_RIDES, PREDICTIONS
from rushhour.runtime.redis_client import read_hash
from rushhour.storage.columns import ZoneMask
from rushhour.storage.hour_tables import StoredHour, read_hours
from rushhour.storage.runs import load_offsets


@dataclass(frozen=True, slots=True)
class Restored:
    """All that a consumer knows of its zones at its start."""

    share: AssignedPartitions
    rolling: Rolling
    offsets: dict[TopicPartition, int]


def restore(client: redis.Redis, run: RunInfo, partitions: Mapping[int, ZoneMask]) -> Restored:
    """Read the state of a consumer of the given partitions back from what was written.

    Raises
    ------
    RedisFailure
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
    return Restored(AssignedPartitions(pending), rolling, offsets)


def _forecast(hour: int, stored: Mapping[int, StoredHour], zones: ZoneMask) -> Forecast | None:
    """Return what Redis holds of the forecast for an hour, if it has it for all these zones."""
    if np.isnan(stored[hour].served[zones]).any():
        return None
    return replace(stored[hour].forecast, zones=zones)
