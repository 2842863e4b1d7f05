from typing import Any

import pytest

from dataflows import sink
from rushhour.core.codec import alert_codec, rides_codec
from rushhour.core.events import Alert, AlertEvent, HourEnd, HourlyRides
from rushhour.core.hours import HOUR_MS
from rushhour.core.kafka_cluster import KafkaCluster
from rushhour.core.topics import ALERTS, HOURLY_RIDES, partition_of
from rushhour.core.zones import ZONE_IDS

RUN = "0123456789ab"
START = 1_727_740_800_000  # 2024-10-01 00:00
PARTITIONS = 3
CLUSTER = KafkaCluster("")


class Broker:
    """Stands in for the producer: keeps the messages of each partition, and its flushes."""

    def __init__(self) -> None:
        self.sent: dict[tuple[str, int], list[dict[str, Any]]] = {}
        self.flushes = 0

    def __call__(self, cluster: KafkaCluster, health: object) -> "Broker":
        return self

    def send(self, topic: str, partition: int, messages: list[dict[str, Any]]) -> None:
        self.sent.setdefault((topic, partition), []).extend(messages)

    def flush(self) -> None:
        self.flushes += 1


@pytest.fixture
def broker(monkeypatch: pytest.MonkeyPatch) -> Broker:
    broker = Broker()
    monkeypatch.setattr(sink, "BatchProducer", broker)
    return broker


def ends_of(end_ts: int) -> list[AlertEvent]:
    return [HourEnd(i, end_ts, f"{i:016x}", "0" * 16, "f" * 16) for i in range(PARTITIONS)]


def test_each_partition_has_the_alerts_of_its_zones_and_then_its_end(broker: Broker) -> None:
    alerts = [Alert.of(zone, START, 0.5) for zone in ZONE_IDS]
    first, later = ends_of(START + HOUR_MS), ends_of(START + 2 * HOUR_MS)
    partition = sink.ZoneEventsPartition(CLUSTER, ALERTS, PARTITIONS, alert_codec(RUN))
    partition.write_batch([[*alerts, *first], later])
    codec = alert_codec(RUN)
    for i in range(PARTITIONS):
        own = [a for a in alerts if partition_of(a.pickup_location_id, PARTITIONS) == i]
        messages = broker.sent[ALERTS, i]
        assert [codec.decode(message["value"]) for message in messages] == [
            *own,
            first[i],
            later[i],
        ]
        assert [message.get("key") for message in messages] == [
            *(str(alert.pickup_location_id).encode() for alert in own),
            None,
            None,
        ]


def test_hours_stay_in_order_on_each_partition(broker: Broker) -> None:
    hours = [[HourlyRides.of(z, START + i * HOUR_MS, i) for z in ZONE_IDS] for i in range(3)]
    partition = sink.ZoneEventsPartition(CLUSTER, HOURLY_RIDES, PARTITIONS, rides_codec(RUN))
    partition.write_batch(hours[:2])
    partition.write_batch(hours[2:])
    codec = rides_codec(RUN)
    for i in range(PARTITIONS):
        found = [codec.decode(message["value"]) for message in broker.sent[HOURLY_RIDES, i]]
        assert found == [
            event
            for hour in hours
            for event in hour
            if partition_of(event.pickup_location_id, PARTITIONS) == i
        ]


def test_a_snapshot_waits_for_the_broker(broker: Broker) -> None:
    partition = sink.ZoneEventsPartition(CLUSTER, ALERTS, PARTITIONS, alert_codec(RUN))
    assert broker.flushes == 0
    partition.snapshot()
    assert broker.flushes == 1
    partition.close()
    assert broker.flushes == 2
