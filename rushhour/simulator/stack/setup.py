"""Set up Kafka and Redis for a run: topics, start offsets, and what is replayed."""

from dataclasses import replace

import redis

from rushhour.core import keys
from rushhour.core.errors import KafkaFailure, StackError
from rushhour.core.kafka_cluster import KafkaCluster
from rushhour.core.run import RunInfo
from rushhour.core.topics import TOPICS, ZONE_TOPICS
from rushhour.runtime.failpoints import reach
from rushhour.runtime.kafka import end_offsets, ensure_topics
from rushhour.runtime.lease import wait_until_alone
from rushhour.runtime.redis_client import read_hash, write_hash
from rushhour.storage.runs import load_run, save_run

_SCAN_COUNT = 1000


def prepare(
    client: redis.Redis, cluster: KafkaCluster, partitions: int, run: RunInfo, *, create: bool
) -> None:
    """Start a new run: delete the keys of an earlier one and write where this one starts.

    Messages of earlier runs stay on the topics; the run starts after them.

    Parameters
    ----------
    client
        Client of Redis.
    cluster
        The Kafka cluster.
    partitions
        Partitions of each topic that is created.
    run
        What is replayed.
    create
        Create missing topics. The embedded broker has them, and does not support it.

    Raises
    ------
    KafkaFailure
        If Kafka does not answer, refuses the topics, or has joined topics with different numbers
        of partitions.
    StackError
        If a run is live on this Redis.
    """
    wait_until_alone(client)
    if create:
        ensure_topics(cluster, partitions)
    offsets = end_offsets(cluster, TOPICS)
    counts = {topic: len(offsets[topic]) for topic in ZONE_TOPICS}
    if len(set(counts.values())) > 1:
        found = ", ".join(f"'{topic}' {count}" for topic, count in counts.items())
        raise KafkaFailure(
            f"Kafka at {cluster}: topics that are joined need the same number of partitions "
            f"({found}): delete them, and they are created again"
        )
    reach("prepare.clear")
    clear(client)
    reach("prepare.write")
    write_hash(
        client,
        keys.OFFSETS,
        {
            keys.offset_field(topic, partition): offset
            for topic, by_partition in offsets.items()
            for partition, offset in by_partition.items()
        },
    )
    save_run(client, run)
    reach("prepare.done")


def resume(client: redis.Redis, wanted: RunInfo) -> RunInfo | None:
    """Return the run that Redis holds, if it replays the same as the wanted one; else None.

    Changed numbers of processes are saved, unless a process of the run is live: the live ones
    rely on the numbers.
    """
    if not read_hash(client, keys.RUN):
        return None
    existing = load_run(client)
    if not wanted.replays_the_same_as(existing):
        return None
    run = replace(wanted, run_id=existing.run_id)
    if run != existing:
        try:
            wait_until_alone(client)
        except StackError:
            return existing
        save_run(client, run)
    return run


def clear(client: redis.Redis) -> None:
    """Delete all keys of rushhour, and no others."""
    found = [key for key in client.scan_iter(count=_SCAN_COUNT) if keys.is_of_a_run(key)]
    for start in range(0, len(found), _SCAN_COUNT):
        client.unlink(*found[start : start + _SCAN_COUNT])
