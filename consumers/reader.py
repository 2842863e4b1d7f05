"""The Kafka edge: reads `hourly_rides`, `predictions` and `alerts` into pending hours.

The first consumer reads `submissions` beside them, with the same client.
"""

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from itertools import chain, groupby
from typing import Any, Protocol, TypeVar

import confluent_kafka as ck

from consumers.assignment import AssignedPartitions, TopicPartition
from consumers.bounds import are_within, fault_of
from consumers.metrics import EVENTS_READ
from rushhour.core.bounds import PartitionBounds
from rushhour.core.codec import alert_codec, prediction_codec, rides_codec
from rushhour.core.events import AlertEvent, HourlyRides, Prediction
from rushhour.core.kafka_cluster import KafkaCluster
from rushhour.core.topics import ALERTS, HOURLY_RIDES, PREDICTIONS, SUBMISSIONS
from rushhour.runtime.kafka import assigned_consumer, check_messages
from rushhour.runtime.metrics import LagMeter
from rushhour.runtime.monitor import Health
from rushhour.runtime.records import RecordReader, RunRecords
from rushhour.runtime.waiting import Waiting

_MAX_MESSAGES = 10_000
_WAIT_S = 0.5
_WAITING = Waiting("events")

E = TypeVar("E", HourlyRides, Prediction, AlertEvent)
_Add = Callable[[int, Sequence[int], Sequence[E]], None]  # partition, offsets, events


class SubmissionReader(Protocol):
    """What takes the records of `submissions`: `consumers.submissions.submissions.Submissions`."""

    offsets: dict[int, int]  # by partition, the next offset to read

    def read(self, messages: Sequence[ck.Message]) -> None:
        """Take records."""


class EventsReader:
    """Reads the three topics of events, each partition from its stored offset.

    With `submissions`, their topic is read as well.
    """

    def __init__(
        self,
        cluster: KafkaCluster,
        records: RunRecords,
        bounds: Mapping[int, PartitionBounds],
        offsets: Mapping[TopicPartition, int],
        health: Health | None = None,
        submissions: SubmissionReader | None = None,
    ) -> None:
        by_topic: dict[str, dict[int, int]] = {}
        for (topic, partition), offset in offsets.items():
            by_topic.setdefault(topic, {})[partition] = offset
        if submissions is not None:
            by_topic[SUBMISSIONS] = submissions.offsets
        self._cluster = cluster
        self._submissions = submissions
        self._bounds = dict(bounds)
        self._consumer = assigned_consumer(cluster, by_topic, health)
        self._rides = records.of(HOURLY_RIDES, rides_codec)
        self._predictions = records.of(PREDICTIONS, prediction_codec)
        self._alerts = records.of(ALERTS, alert_codec)
        self._lag = LagMeter(cluster, self._consumer)

    def read_into(self, assigned: AssignedPartitions) -> None:
        """Wait up to half a second for events and add all that have arrived.

        Raises
        ------
        KafkaFailure
            If the broker no longer has an offset, or fails.
        """
        with _WAITING:
            messages = self._consumer.wait_and_take(_WAIT_S, _MAX_MESSAGES)
        check_messages(messages)
        by_place: dict[tuple[str, int], list[ck.Message]] = defaultdict(list)
        for place, own in groupby(messages, _place):
            by_place[place] += own
        feeds: tuple[tuple[str, RecordReader[Any], _Add[Any]], ...] = (
            (HOURLY_RIDES, self._rides, assigned.add_rides),
            (PREDICTIONS, self._predictions, assigned.add_predictions),
            (ALERTS, self._alerts, assigned.add_alerts),
        )
        for topic, records, add in feeds:
            name = self._cluster.topic(topic)
            for partition in self._bounds:
                of_partition = by_place[name, partition]
                if of_partition:
                    self._feed(topic, partition, of_partition, records, add)
                    # What was passed over counts as read.
                    assigned.pass_over(topic, partition, of_partition[-1].offset() or 0)
        if self._submissions is not None:
            name = self._cluster.topic(SUBMISSIONS)
            parts = (own for place, own in by_place.items() if place[0] == name)
            self._submissions.read(list(chain.from_iterable(parts)))
        self._lag.measure(self._positions(assigned))

    def close(self, assigned: AssignedPartitions) -> None:
        """Disconnect from the broker; `assigned` is what was read into."""
        self._lag.measure(self._positions(assigned), now=True)
        self._consumer.close()

    def _positions(self, assigned: AssignedPartitions) -> dict[TopicPartition, int]:
        """Return the next offset to read of each partition."""
        offsets = {} if self._submissions is None else self._submissions.offsets
        of_submissions = {(SUBMISSIONS, partition): offset for partition, offset in offsets.items()}
        return assigned.positions() | of_submissions

    def _feed(
        self,
        topic: str,
        partition: int,
        messages: Sequence[ck.Message],
        records: RecordReader[E],
        add: _Add[E],
    ) -> None:
        """Add the events of the messages of one partition, and reject those of no run like this."""
        own, events = records.events(messages)
        EVENTS_READ.labels(topic).inc(len(events))
        bounds = self._bounds[partition]
        if not are_within(bounds, partition, events):
            kept: list[tuple[ck.Message, E]] = []
            for message, event in zip(own, events, strict=True):
                fault = fault_of(bounds, partition, event)
                if fault is None:
                    kept.append((message, event))
                else:
                    records.reject(message, *fault)
            own, events = [message for message, _ in kept], [event for _, event in kept]
        if events:
            add(partition, [message.offset() or 0 for message in own], events)


def _place(message: ck.Message) -> tuple[str, int]:
    return message.topic() or "", message.partition() or 0
