"""The topics that are read, the trips on them, and the true counts.

Each set of trips is on two topics: one as rushhour writes it, with ticks between the trips, and one
with the trips alone, for processors that take event time from the messages. Both are written by
rushhour's producer, so that a trip has the same bytes on both.
"""

import time
import zlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from benchmarks.peers.contenders.rushhour_dataflow import RUN_ID
from benchmarks.peers.work import PARTITIONS, Counts
from producers.month.trips import TripTable, read_trips
from producers.numbering import number_trips
from producers.stream import KafkaStream
from rushhour.core.hours import DAY_MS, HOUR_MS, parse_month
from rushhour.core.kafka_cluster import KafkaCluster
from rushhour.core.topics import TRIPS, zone_routes
from rushhour.core.zones import FIRST_ZONE, ZONE_IDS
from rushhour.runtime.kafka_topics import offset_ranges
from rushhour.simulator.evaluation.counts import count_month

_TIMEOUT_S = 30.0


@dataclass(frozen=True, slots=True)
class TripSet:
    """The trips of the first days of a month; `trips` is their number."""

    name: str
    table: TripTable
    start_ts: int
    end_ts: int
    truth: Counts

    @property
    def trips(self) -> int:
        """The number of trips."""
        return sum(self.truth.values())


@dataclass(frozen=True, slots=True)
class Topic:
    """A filled topic; `messages` is the number of messages on it."""

    name: str
    messages: int


def read_month(file: Path, dataset: str, month: str) -> TripSet:
    """Read a month and count it, the latter with a group-by that knows nothing of the pipeline."""
    start_ts, end_ts = parse_month(month)
    counts = count_month(file, dataset, month).table.to_numpy()  # hours x zones
    truth = {
        (FIRST_ZONE + column, start_ts + hour * HOUR_MS): int(counts[hour, column])
        for hour, column in np.argwhere(counts).tolist()
    }
    table = read_trips(file, dataset, month)
    return TripSet(f"{dataset}-{month}", table, start_ts, end_ts, truth)


def first_days(month: TripSet, trips: int) -> TripSet:
    """Return as many of the first days of a month as have at least this number of trips, or all."""
    if trips >= month.trips:
        return month
    of_day = np.bincount((month.table.pickup_ts - month.start_ts) // DAY_MS)
    days = int(np.searchsorted(np.cumsum(of_day), trips)) + 1
    end_ts = month.start_ts + days * DAY_MS
    truth = {(zone, hour): n for (zone, hour), n in month.truth.items() if hour < end_ts}
    return TripSet(f"{month.name}-{days}d", month.table, month.start_ts, end_ts, truth)


def fill(bootstrap: str, trip_set: TripSet, *, ticks: bool) -> Topic:
    """Put the trips on a topic, with rushhour's ticks or without, unless they are on it already."""
    times, zones = trip_set.table.pickup_ts, trip_set.table.zone
    content = zlib.crc32(zones.tobytes(), zlib.crc32(times.tobytes()))
    prefix = f"bench-{trip_set.name}-{content:08x}-{'ticks' if ticks else 'trips'}."
    cluster = KafkaCluster(bootstrap, topic_prefix=prefix)
    hours = (trip_set.end_ts - trip_set.start_ts) // HOUR_MS
    messages = trip_set.trips + PARTITIONS * (hours + 1 if ticks else 1)
    topic = Topic(cluster.topic(TRIPS), messages)
    if _messages(cluster) == messages:
        return topic
    _create(bootstrap, topic.name)
    if ticks:
        _send_with_ticks(cluster, trip_set)
    else:
        _send_trips(cluster, trip_set)
    if (found := _messages(cluster)) != messages:
        raise RuntimeError(f"{topic.name} has {found} messages instead of {messages}")
    return topic


def _send_with_ticks(cluster: KafkaCluster, trip_set: TripSet) -> None:
    start, end = trip_set.start_ts, trip_set.end_ts
    stream = KafkaStream(cluster, RUN_ID, number_trips(trip_set.table, start, end, PARTITIONS))
    stream.send_tick(start)
    for hour in range(start, end, HOUR_MS):
        stream.send_trips(hour, hour + HOUR_MS)
        stream.send_tick(hour + HOUR_MS, final=hour + HOUR_MS == end)
    stream.flush()


def _send_trips(cluster: KafkaCluster, trip_set: TripSet) -> None:
    """Send the trips and, two days later, one to each partition."""
    start, end = trip_set.start_ts, trip_set.end_ts
    after = end + 2 * DAY_MS
    first, last = trip_set.table.slice(start, end)
    routes = zip(zone_routes(PARTITIONS), ZONE_IDS, strict=True)
    zone_of = {partition: zone for (partition, _), zone in routes}
    table = TripTable(
        np.append(trip_set.table.pickup_ts[first:last], np.full(PARTITIONS, after)),
        np.append(trip_set.table.zone[first:last], list(zone_of.values())).astype(np.int16),
        last - first + PARTITIONS,
        {},
    )
    numbered = number_trips(table, start, after + HOUR_MS, PARTITIONS)
    stream = KafkaStream(cluster, RUN_ID, numbered)
    for hour in range(start, after + HOUR_MS, HOUR_MS):
        stream.send_trips(hour, hour + HOUR_MS)
    stream.flush()


def _create(bootstrap: str, topic: str) -> None:
    """Create a topic anew."""
    admin = AdminClient({"bootstrap.servers": bootstrap})
    if topic in admin.list_topics(timeout=_TIMEOUT_S).topics:
        admin.delete_topics([topic])[topic].result()
        while topic in admin.list_topics(timeout=_TIMEOUT_S).topics:
            time.sleep(0.2)
    new = NewTopic(topic, PARTITIONS, config={"retention.ms": "-1", "retention.bytes": "-1"})
    admin.create_topics([new], operation_timeout=_TIMEOUT_S)[topic].result()


def delete_topics(bootstrap: str, prefix: str) -> None:
    """Delete the topics whose names begin with a prefix."""
    admin = AdminClient({"bootstrap.servers": bootstrap})
    names = [
        name for name in admin.list_topics(timeout=_TIMEOUT_S).topics if name.startswith(prefix)
    ]
    if names:
        for future in admin.delete_topics(names).values():
            future.result()


def _messages(cluster: KafkaCluster) -> int:
    """Return the number of messages on a topic; 0 if it does not exist."""
    return sum(map(len, offset_ranges(cluster, [TRIPS])[TRIPS].values()))
