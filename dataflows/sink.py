"""The Kafka edge on the way out: an hour's events of all zones in one go."""

from typing import Generic, TypeVar

from bytewax.outputs import DynamicSink, StatelessSinkPartition

from core.events import Codec, HourlyRides, Prediction
from core.kafka import BatchProducer
from core.topics import partition_of, zone_key
from core.zones import FIRST_ZONE, ZONE_IDS

E = TypeVar("E", HourlyRides, Prediction)


class ZoneEventsPartition(StatelessSinkPartition[list[E]], Generic[E]):
    """Writes lists of one topic's events, each to the partition of its zone.

    Returns only when the broker has them, so that a snapshot never runs ahead of the output.
    """

    def __init__(self, bootstrap: str, topic: str, partitions: int, codec: Codec[E]) -> None:
        self._topic = topic
        self._codec: Codec[E] = codec
        self._producer = BatchProducer(bootstrap)
        self._keys = [zone_key(zone) for zone in ZONE_IDS]
        self._partition_of = [partition_of(zone, partitions) for zone in ZONE_IDS]
        self._partitions = partitions

    def write_batch(self, items: list[list[E]]) -> None:
        """Send hours of events, in order.

        Raises
        ------
        KafkaError
            If an event could not be delivered.
        """
        encode = self._codec.encode
        messages: list[list[dict[str, object]]] = [[] for _ in range(self._partitions)]
        for events in items:
            for event in events:
                zone = event.pickup_location_id - FIRST_ZONE
                messages[self._partition_of[zone]].append(
                    {"key": self._keys[zone], "value": encode(event)}
                )
        for partition, batch in enumerate(messages):
            self._producer.send(self._topic, partition, batch)
        self._producer.flush()


class ZoneEventsSink(DynamicSink[list[E]], Generic[E]):
    """A topic of events per zone, with as many partitions as it was created with."""

    def __init__(self, bootstrap: str, topic: str, partitions: int, codec: Codec[E]) -> None:
        self._bootstrap = bootstrap
        self._topic = topic
        self._partitions = partitions
        self._codec: Codec[E] = codec

    def build(self, step_id: str, worker_index: int, worker_count: int) -> ZoneEventsPartition[E]:
        """Open the sink for one worker."""
        return ZoneEventsPartition(self._bootstrap, self._topic, self._partitions, self._codec)
