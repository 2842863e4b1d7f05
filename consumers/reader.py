"""The Kafka edge: feeds `hourly_rides` and `predictions` into pending hours."""

from collections.abc import Callable
from typing import TypeVar

import confluent_kafka as ck

from consumers.assignment import AssignedPartitions
from consumers.metrics import EVENTS_READ
from rushhour.core.events import Codec, HourlyRides, Prediction, prediction_codec, rides_codec
from rushhour.core.topics import HOURLY_RIDES, PREDICTIONS
from rushhour.runtime.kafka import assigned_consumer, check_messages, message_position
from rushhour.runtime.metrics import LagMeter

_MAX_MESSAGES = 10_000
_WAIT_S = 0.5

E = TypeVar("E", HourlyRides, Prediction)


class EventsReader:
    """Reads both topics of events, each partition from its stored offset."""

    def __init__(self, bootstrap: str, offsets: dict[tuple[str, int], int]) -> None:
        by_topic: dict[str, dict[int, int]] = {}
        for (topic, partition), offset in offsets.items():
            by_topic.setdefault(topic, {})[partition] = offset
        self._consumer: ck.Consumer = assigned_consumer(bootstrap, by_topic)
        self._rides: Codec[HourlyRides] = rides_codec()
        self._predictions: Codec[Prediction] = prediction_codec()
        self._lag = LagMeter(self._consumer)

    def read_into(self, share: AssignedPartitions) -> None:
        """Wait a moment for events, and take in all that have come.

        Raises
        ------
        KafkaFailure
            If the broker no longer has an offset, or fails.
        EventError
            If a message does not fit its topic's schema.
        """
        messages = self._poll()
        check_messages(messages)
        _feed(messages, HOURLY_RIDES, self._rides, share.add_rides)
        _feed(messages, PREDICTIONS, self._predictions, share.add_prediction)
        self._lag.measure(share.positions())

    def close(self, share: AssignedPartitions) -> None:
        """Leave the broker; `share` is what has been read into."""
        self._lag.measure(share.positions(), now=True)
        self._consumer.close()

    def _poll(self) -> list[ck.Message]:
        # poll returns as soon as there is one message; consume would sit out its timeout.
        first = self._consumer.poll(_WAIT_S)
        if first is None:
            return []
        return [first, *self._consumer.consume(_MAX_MESSAGES, timeout=0)]


def _feed(
    messages: list[ck.Message],
    topic: str,
    codec: Codec[E],
    add: Callable[[int, int, E], None],
) -> None:
    batch = [message for message in messages if message.topic() == topic]
    events = codec.decode_batch(
        [message.value() for message in batch], lambda i: message_position(batch[i])
    )
    EVENTS_READ.labels(topic).inc(len(events))
    for message, event in zip(batch, events, strict=True):
        add(message.partition() or 0, message.offset() or 0, event)
