"""The topics of a run: created so that they keep their messages, and where they begin and end."""

import logging
import time
from collections.abc import Iterable, Sequence
from contextlib import suppress

import confluent_kafka as ck
from confluent_kafka.admin import AdminClient
from confluent_kafka.admin._config import ConfigResource
from confluent_kafka.cimpl import NewTopic

from rushhour.core.errors import KafkaFailure
from rushhour.core.kafka_cluster import KafkaCluster
from rushhour.core.topics import TOPICS
from rushhour.runtime.kafka import client_config, consumer_config, kafka_failures

_METADATA_TIMEOUT_S = 10.0
_CREATE_TIMEOUT_S = 30.0
_LEADER_TIMEOUT_S = 60.0  # a broker on a busy machine is slow to lead a topic that is new
_DESCRIBE_TIMEOUT_S = 10.0  # the embedded broker cannot describe topics: it never answers

# Of every topic that is created: messages stay until somebody deletes them.
_KEEP_ALL = {"retention.ms": "-1", "retention.bytes": "-1", "cleanup.policy": "delete"}

# Errors of a broker for a topic that was created a moment ago.
_NO_LEADER_YET = frozenset(
    {
        ck.KafkaError.LEADER_NOT_AVAILABLE,
        ck.KafkaError.NOT_LEADER_FOR_PARTITION,
        ck.KafkaError.UNKNOWN_TOPIC_OR_PART,
        ck.KafkaError._UNKNOWN_PARTITION,
    }
)

_log = logging.getLogger(__name__)

Offsets = dict[str, dict[int, int]]  # topic -> partition -> offset


def ensure_topics(cluster: KafkaCluster, partitions: int) -> None:
    """Create the topics that do not exist yet, so that Kafka never deletes their messages.

    Existing topics keep their partitions. A warning is logged for those that lose messages after a
    time: a dataflow without its recovery store begins at the first trip of the run.

    Raises
    ------
    KafkaFailure
        If the cluster does not answer or refuses.
    """
    with kafka_failures(cluster) as errors:
        admin = AdminClient(client_config(cluster, {}, {}) | {"error_cb": errors})
        try:
            _create_missing(admin, cluster, partitions)
        finally:
            admin.poll(0)


def _create_missing(admin: AdminClient, cluster: KafkaCluster, partitions: int) -> None:
    existing = admin.list_topics(timeout=_METADATA_TIMEOUT_S).topics
    wanted = {cluster.topic(topic) for topic in TOPICS}
    _warn_of_retention(admin, cluster, sorted(wanted & existing.keys()))
    missing = [
        NewTopic(topic, partitions, config=dict(_KEEP_ALL))
        for topic in sorted(wanted - existing.keys())
    ]
    if not missing:
        return
    created = admin.create_topics(
        missing, operation_timeout=_CREATE_TIMEOUT_S, request_timeout=_CREATE_TIMEOUT_S
    )
    for future in created.values():
        future.result()
    # A broker learns of new topics from the controller, with a delay.
    deadline = time.monotonic() + _CREATE_TIMEOUT_S
    while not admin.list_topics(timeout=_METADATA_TIMEOUT_S).topics.keys() >= wanted:
        if time.monotonic() > deadline:
            raise KafkaFailure(f"Kafka at {cluster}: the topics it created are unknown to it")
        time.sleep(0.1)


def _warn_of_retention(admin: AdminClient, cluster: KafkaCluster, topics: Sequence[str]) -> None:
    """Log a line if any of the topics loses messages by itself; nothing if Kafka does not say."""
    if not topics:
        return
    resources = [ConfigResource(ConfigResource.Type.TOPIC, topic) for topic in topics]
    found: list[str] = []
    for resource, future in admin.describe_configs(
        resources, request_timeout=_DESCRIBE_TIMEOUT_S
    ).items():
        with suppress(ck.KafkaException):  # a client may be allowed to write and not to describe
            config = future.result()
            wrong = [
                f"{name}={config[name].value}"
                for name, value in _KEEP_ALL.items()
                if name in config and config[name].value != value
            ]
            if wrong:
                found.append(f"'{resource.name}' ({', '.join(wrong)})")
    if found:
        _log.warning(
            "Kafka at %s deletes messages of %s: a run must end before that: set retention.ms=-1, "
            "retention.bytes=-1 and cleanup.policy=delete",
            cluster,
            ", ".join(found),
        )


def end_offsets(cluster: KafkaCluster, topics: Iterable[str]) -> Offsets:
    """Return the offset after the last message of each partition of each topic.

    Raises
    ------
    KafkaFailure
        If the cluster does not answer or lacks a topic.
    """
    ranges = offset_ranges(cluster, topics)
    for topic, by_partition in ranges.items():
        if not by_partition:
            raise KafkaFailure(f"Kafka at {cluster}: topic '{cluster.topic(topic)}' does not exist")
    return {
        topic: {partition: held.stop for partition, held in by_partition.items()}
        for topic, by_partition in ranges.items()
    }


def offset_ranges(cluster: KafkaCluster, topics: Iterable[str]) -> dict[str, dict[int, range]]:
    """Return the offsets that each partition of each topic holds; a missing topic has none.

    Raises
    ------
    KafkaFailure
        If the cluster does not answer.
    """
    with kafka_failures(cluster) as errors:
        consumer = ck.Consumer(consumer_config(cluster) | {"error_cb": errors})
        try:
            return {topic: _offset_ranges(consumer, cluster, topic) for topic in topics}
        finally:
            consumer.poll(0)
            consumer.close()


def _offset_ranges(consumer: ck.Consumer, cluster: KafkaCluster, topic: str) -> dict[int, range]:
    name = cluster.topic(topic)
    metadata = consumer.list_topics(name, timeout=_METADATA_TIMEOUT_S).topics[name]
    if metadata.error is not None:
        if metadata.error.code() == ck.KafkaError.UNKNOWN_TOPIC_OR_PART:
            return {}
        raise KafkaFailure(f"Kafka at {cluster}: topic '{name}': {metadata.error.str()}")
    return {
        partition: _offset_range(consumer, name, partition)
        for partition in sorted(metadata.partitions)
    }


def _offset_range(consumer: ck.Consumer, topic: str, partition: int) -> range:
    deadline = time.monotonic() + _LEADER_TIMEOUT_S
    while True:
        try:
            first, end = consumer.get_watermark_offsets(
                ck.TopicPartition(topic, partition), timeout=_METADATA_TIMEOUT_S
            )
            return range(first, end)
        except ck.KafkaException as error:
            if error.args[0].code() not in _NO_LEADER_YET or time.monotonic() > deadline:
                raise
            time.sleep(0.1)
