"""The topics that are created on a real Kafka keep their messages."""

import logging

import pytest
from confluent_kafka.admin import AdminClient
from confluent_kafka.admin._config import ConfigResource
from confluent_kafka.cimpl import NewTopic

from rushhour.core.kafka_cluster import KafkaCluster
from rushhour.core.topics import TOPICS
from rushhour.runtime.kafka_topics import end_offsets, ensure_topics
from tests.fixtures.kafka_server import KafkaServer

pytestmark = pytest.mark.kafka

PARTITIONS = 3


def test_created_topics_never_lose_a_message_and_others_are_warned_of(
    kafka_server: KafkaServer, caplog: pytest.LogCaptureFixture
) -> None:
    """A prefix names all of them, on the wire too."""
    caplog.set_level(logging.INFO)
    cluster = KafkaCluster(kafka_server.bootstrap, topic_prefix="ann.")
    admin = AdminClient({"bootstrap.servers": kafka_server.bootstrap, "log_level": 2})
    week = NewTopic("ann.trips", PARTITIONS, config={"cleanup.policy": "compact"})
    for future in admin.create_topics([week]).values():
        future.result()

    ensure_topics(cluster, PARTITIONS)

    assert caplog.messages == [
        f"Kafka at {kafka_server.bootstrap} deletes messages of 'ann.trips' "
        "(retention.ms=604800000, cleanup.policy=compact): a run must end before that: set "
        "retention.ms=-1, retention.bytes=-1 and cleanup.policy=delete"
    ]
    names = {name for name in admin.list_topics(timeout=30).topics if not name.startswith("__")}
    assert names == {f"ann.{topic}" for topic in TOPICS}
    created = [
        ConfigResource(ConfigResource.Type.TOPIC, name) for name in sorted(names - {"ann.trips"})
    ]
    for future in admin.describe_configs(created).values():
        config = {name: entry.value for name, entry in future.result().items()}
        assert (config["retention.ms"], config["cleanup.policy"]) == ("-1", "delete")
        assert config["retention.bytes"] == "-1"
    assert end_offsets(cluster, TOPICS) == {
        topic: dict.fromkeys(range(PARTITIONS), 0) for topic in TOPICS
    }
