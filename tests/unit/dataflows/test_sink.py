import pytest

from dataflows import sink
from rushhour.core.kafka_cluster import KafkaCluster
from rushhour.core.topics import ALERTS, Message, Messages

PARTITIONS = 3
CLUSTER = KafkaCluster("")


class Broker:
    """Stands in for the producer: keeps the messages of each partition, and its flushes."""

    def __init__(self) -> None:
        self.sent: dict[tuple[str, int], list[Message]] = {}
        self.flushes = 0

    def __call__(self, cluster: KafkaCluster, health: object) -> "Broker":
        return self

    def send(self, topic: str, partition: int, messages: list[Message]) -> None:
        self.sent.setdefault((topic, partition), []).extend(messages)

    def flush(self) -> None:
        self.flushes += 1


@pytest.fixture
def broker(monkeypatch: pytest.MonkeyPatch) -> Broker:
    broker = Broker()
    monkeypatch.setattr(sink, "BatchProducer", broker)
    return broker


def messages_of(hour: int) -> Messages:
    """An hour of which partition i gets i messages."""
    return [[(None, b"%d %d" % (hour, j)) for j in range(i)] for i in range(PARTITIONS)]


def test_hours_stay_in_order_on_each_partition(broker: Broker) -> None:
    partition = sink.ZoneEventsPartition(CLUSTER, ALERTS, messages_of)
    partition.write_batch([1, 2])
    partition.write_batch([3])
    for i in range(PARTITIONS):
        values = [value for _, value in broker.sent[ALERTS, i]]
        assert values == [b"%d %d" % (hour, j) for hour in (1, 2, 3) for j in range(i)]


def test_a_snapshot_waits_for_the_broker(broker: Broker) -> None:
    partition = sink.ZoneEventsPartition(CLUSTER, ALERTS, messages_of)
    assert broker.flushes == 0
    partition.snapshot()
    assert broker.flushes == 1
    partition.close()
    assert broker.flushes == 2
