"""Resume a run from what Redis holds: at its beginning, or after a restart."""

from collections.abc import Mapping
from dataclasses import dataclass

import redis

from consumers.assignment import AssignedPartitions
from consumers.city import City, Totals
from consumers.city_scores import CityScores
from consumers.horizon_scores import HorizonScores
from consumers.pending import PendingHours
from consumers.writer import Written, read_closed
from consumers.zone_scores import ZoneScores
from rushhour.core import keys
from rushhour.core.arrays import ZoneMask
from rushhour.core.forecast import Forecast
from rushhour.core.hours import HOUR_MS, HOURS_PER_WEEK
from rushhour.core.run import RunInfo
from rushhour.core.topics import ZONE_TOPICS
from rushhour.runtime.redis_client import read_hash
from rushhour.storage.hour_tables import HourTables
from rushhour.storage.read_hours import read_hours_ahead
from rushhour.storage.runs import load_offsets


@dataclass(frozen=True, slots=True)
class ConsumerState:
    """The state of one consumer: its pending hours, its scores, the city, and what it wrote."""

    assigned: AssignedPartitions
    scores: ZoneScores
    city: City
    written: Written


def resume(
    client: redis.Redis, run: RunInfo, partitions: Mapping[int, ZoneMask], partition_count: int
) -> ConsumerState:
    """Return the state of a consumer of the given partitions.

    Parameters
    ----------
    partition_count
        How many partitions of the run have zones, over all consumers.

    Raises
    ------
    RedisFailure
        If the run was not prepared.
    """
    closed = read_closed(client)
    next_hours = {
        partition: closed.get(partition, run.start_ts - HOUR_MS) + HOUR_MS
        for partition in partitions
    }
    # Written with each closed hour of the city, and read in one piece: no hour closes in between.
    totals = Totals.from_fields(read_hash(client, keys.QUALITY))
    city_next = run.start_ts + totals.hours * HOUR_MS
    open_hours = [city_next, *next_hours.values()]
    first = max(run.start_ts, min(open_hours) - HOURS_PER_WEEK * HOUR_MS)
    hours = range(first, max(open_hours) + HOUR_MS, HOUR_MS)
    tables = {hour.hour_ts: hour for hour in read_hours_ahead(client, run, hours)}
    offsets = {
        (topic, partition): offset
        for topic in ZONE_TOPICS
        for partition, offset in load_offsets(client, topic).items()
        if partition in partitions
    }
    pending = {
        partition: PendingHours(
            partition,
            zones,
            next_hours[partition],
            {topic: offsets[topic, partition] for topic in ZONE_TOPICS},
            _forecast(tables[next_hours[partition]], zones),
        )
        for partition, zones in partitions.items()
    }
    zone_scores, city_scores = ZoneScores(), CityScores(run.models)
    horizon_scores = HorizonScores(run.models, run.horizons_ahead)
    for hour_ts, hour in tables.items():
        if hour_ts < city_next:
            city_scores.update(hour)
            horizon_scores.update(hour)
        for partition, zones in partitions.items():
            if hour_ts < next_hours[partition]:
                zone_scores.update(hour, zones)
    city = City(run, partition_count, city_next, city_scores, horizon_scores, totals)
    written = Written(offsets, {partition: closed.get(partition) for partition in partitions})
    return ConsumerState(AssignedPartitions(pending), zone_scores, city, written)


def _forecast(hour: HourTables, zones: ZoneMask) -> Forecast | None:
    """Return the forecast for an hour if Redis has it for all the given zones."""
    return hour.forecast if hour.is_predicted()[zones].all() else None
