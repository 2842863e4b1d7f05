"""Resume the run that Redis holds, if it is the wanted one and Kafka still has what it needs."""

from collections.abc import Mapping
from dataclasses import replace

import redis

from rushhour.core import keys
from rushhour.core.errors import KafkaFailure, StackError
from rushhour.core.kafka_cluster import KafkaCluster
from rushhour.core.labels import run_label
from rushhour.core.run import RunInfo
from rushhour.core.topics import DEAD_LETTERS, TOPICS
from rushhour.runtime.kafka_topics import offset_ranges
from rushhour.runtime.lease import wait_until_alone
from rushhour.simulator.stack.setup import change
from rushhour.storage.clock import is_finished
from rushhour.storage.runs import START_OVER, load_offsets, save_run


def check_same(existing: RunInfo, wanted: RunInfo, command: str) -> None:
    """Check that a run that Redis holds replays the same as the wanted one.

    Parameters
    ----------
    command
        The command whose flag `--new` deletes the existing run, for the message.

    Raises
    ------
    StackError
        If they differ: only the user may decide to delete a run.
    """
    differences = existing.differences(wanted)
    if differences:
        raise StackError(
            f"Redis holds another run ({run_label(existing)}, version {existing.version}) than "
            f"this one ({run_label(wanted)}, version {wanted.version}; other: "
            f"{', '.join(differences)}): to delete it, start over with `{command} --new`"
        )


def resume(
    client: redis.Redis, cluster: KafkaCluster, existing: RunInfo, wanted: RunInfo
) -> RunInfo:
    """Return the run that Redis holds, with the settings of the wanted one, which replays the same.

    A new place of the file and changed numbers of processes are saved, unless a process of the
    run is live: the live ones rely on the numbers.

    Raises
    ------
    KafkaFailure
        If the run is not finished, and Kafka does not hold what it needs.
    """
    if not is_finished(client, existing):
        _check_topics(client, cluster)
    run = replace(wanted, run_id=existing.run_id)
    if run != existing:
        try:
            wait_until_alone(client)
        except StackError:
            return existing
        change(
            client,
            keys.RUN,
            lambda pipe: pipe.hget(keys.RUN, "run_id") == run.run_id,
            lambda pipe: save_run(pipe, run),
        )
    return run


def _check_topics(client: redis.Redis, cluster: KafkaCluster) -> None:
    """Raise if Kafka has lost messages or partitions that the run in Redis needs."""
    topics = [topic for topic in TOPICS if topic != DEAD_LETTERS]
    ranges = offset_ranges(cluster, topics)
    for topic in topics:
        problem = _loss(load_offsets(client, topic), ranges[topic])
        if problem:
            raise KafkaFailure(
                f"Kafka at {cluster}: topic '{cluster.topic(topic)}' {problem}: restore its data, "
                f"or {START_OVER}"
            )


def _loss(wanted: Mapping[int, int], held: Mapping[int, range]) -> str:
    """Return what a topic lacks of the offsets to read next; empty if it has them all."""
    if not held:
        return "does not exist any more"
    if held.keys() != wanted.keys():
        return f"has {len(held)} partitions, and had {len(wanted)} when the run started"
    for partition, offset in wanted.items():
        first, end = held[partition].start, held[partition].stop
        if not first <= offset <= end:
            return (
                f"holds the offsets {first} to {end} of partition {partition}, and the run needs "
                f"those from {offset} on"
            )
    return ""
