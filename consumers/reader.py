"""The Kafka edge: reads `hourly_rides`, `predictions` and `alerts` into pending hours."""

from collections.abc import Callable, Collection, Mapping
from typing import TypeVar

import confluent_kafka as ck

from consumers.assignment import AssignedPartitions, TopicPartition
from consumers.metrics import EVENTS_READ
from rushhour.core.codec import alert_codec, prediction_codec, rides_codec
from rushhour.core.kafka_cluster import KafkaCluster
from rushhour.core.run import RunInfo
from rushhour.core.topics import ALERTS, HOURLY_RIDES, PREDICTIONS
from rushhour.runtime.kafka import assigned_consumer, check_messages
from rushhour.runtime.metrics import LagMeter
from rushhour.runtime.monitor import Health
from rushhour.runtime.records import RecordPosition, RecordReader, Rejects

_MAX_MESSAGES = 10_000
_WAIT_S = 0.5

E = TypeVar("E")


class EventsReader:
    """Reads the three topics of events, each partition from its stored offset."""

    def __init__(
        self,
        cluster: KafkaCluster,
        run: RunInfo,
        offsets: Mapping[TopicPartition, int],
        rejects: Rejects,
        skipped: Collection[RecordPosition] = (),
        health: Health | None = None,
    ) -> None:
        by_topic: dict[str, dict[int, int]] = {}
        for (topic, partition), offset in offsets.items():
            by_topic.setdefault(topic, {})[partition] = offset
        self._cluster = cluster
        self._consumer = assigned_consumer(cluster, by_topic, health)
        run_id = run.run_id
        self._rides = RecordReader(HOURLY_RIDES, rides_codec(run_id), rejects, skipped)
        self._predictions = RecordReader(PREDICTIONS, prediction_codec(run_id), rejects, skipped)
        self._alerts = RecordReader(ALERTS, alert_codec(run_id), rejects, skipped)
        self._lag = LagMeter(cluster, self._consumer)

    def read_into(self, assigned: AssignedPartitions) -> None:
        """Wait up to half a second for events and add all that have arrived.

        Raises
        ------
        KafkaFailure
            If the broker no longer has an offset, or fails.
        """
        messages = self._poll()
        check_messages(messages)
        _feed(self._of(HOURLY_RIDES, messages), HOURLY_RIDES, self._rides, assigned.add_rides)
        _feed(
            self._of(PREDICTIONS, messages), PREDICTIONS, self._predictions, assigned.add_prediction
        )
        _feed(self._of(ALERTS, messages), ALERTS, self._alerts, assigned.add_alert)
        self._lag.measure(assigned.positions())

    def close(self, assigned: AssignedPartitions) -> None:
        """Disconnect from the broker; `assigned` is what was read into."""
        self._lag.measure(assigned.positions(), now=True)
        self._consumer.close()

    def _of(self, topic: str, messages: list[ck.Message]) -> list[ck.Message]:
        name = self._cluster.topic(topic)
        return [message for message in messages if message.topic() == name]

    def _poll(self) -> list[ck.Message]:
        # poll returns as soon as there is one message; consume would wait for its whole timeout.
        first = self._consumer.poll(_WAIT_S)
        if first is None:
            return []
        return [first, *self._consumer.consume(_MAX_MESSAGES, timeout=0)]


def _feed(
    batch: list[ck.Message],
    topic: str,
    records: RecordReader[E],
    add: Callable[[int, int, E], None],
) -> None:
    own, events = records.events(batch)
    EVENTS_READ.labels(topic).inc(len(events))
    for message, event in zip(own, events, strict=True):
        add(message.partition() or 0, message.offset() or 0, event)
