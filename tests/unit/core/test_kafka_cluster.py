"""What a user may set of the clients of Kafka."""

import pytest

from rushhour.core.errors import UsageError
from rushhour.core.kafka_cluster import KafkaCluster
from rushhour.runtime.kafka import consumer_config, producer_config


@pytest.mark.parametrize("name", ["message.timeout.ms", "enable.idempotence", "auto.offset.reset"])
def test_what_results_depend_on_cannot_be_set(name: str) -> None:
    with pytest.raises(UsageError, match=f"^the property {name} of Kafka is set by rushhour"):
        KafkaCluster("kafka:9092", {name: "1"})


def test_any_other_property_reaches_every_client() -> None:
    conf = {"security.protocol": "SSL", "linger.ms": "50", "socket.timeout.ms": "30000"}
    cluster = KafkaCluster("kafka:9092", conf)
    for config in (producer_config(cluster), consumer_config(cluster)):
        assert {name: config[name] for name in conf} == conf
        assert config["bootstrap.servers"] == "kafka:9092"


def test_secrets_are_not_in_its_text() -> None:
    cluster = KafkaCluster("kafka:9092", {"sasl.password": "opensesame"})
    assert "opensesame" not in f"{cluster} {cluster!r}"
