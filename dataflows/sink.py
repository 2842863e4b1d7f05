"""The Kafka edge on the way out: an hour's events of all zones in one go."""

from typing import Any, Generic, TypeVar

from bytewax.outputs import FixedPartitionedSink, StatefulSinkPartition

from rushhour.core.events import Alert, Codec, HourlyRides, Prediction
from rushhour.core.topics import zone_routes
from rushhour.core.zones import FIRST_ZONE
from rushhour.runtime.kafka import BatchProducer

E = TypeVar("E", Alert, HourlyRides, Prediction)

_ONE_WRITER = "zones"


class ZoneEventsPartition(StatefulSinkPartition[list[E], None], Generic[E]):
    """Writes lists of one topic's events, each event to the partition of its zone.

    A snapshot waits until the broker has all that was written, so that after a restart nothing
    is missing; what was written after the snapshot is written again.
    """

    def __init__(self, bootstrap: str, topic: str, partitions: int, codec: Codec[E]) -> None:
        self._topic = topic
        self._codec: Codec[E] = codec
        self._producer = BatchProducer(bootstrap)
        self._routes = zone_routes(partitions)
        self._partitions = partitions

    def write_batch(self, values: list[list[E]]) -> None:
        """Send hours of events, in order.

        Raises
        ------
        KafkaFailure
            If an event could not be delivered.
        """
        encode, routes = self._codec.encode, self._routes
        messages: list[list[dict[str, Any]]] = [[] for _ in range(self._partitions)]
        for events in values:
            for event in events:
                partition, key = routes[event.pickup_location_id - FIRST_ZONE]
                messages[partition].append({"key": key, "value": encode(event)})
        for partition, batch in enumerate(messages):
            self._producer.send(self._topic, partition, batch)

    def snapshot(self) -> None:
        """Wait for the broker; there is no state to keep.

        Raises
        ------
        KafkaFailure
            If an event could not be delivered.
        """
        self._producer.flush()

    def close(self) -> None:
        """Wait for the broker at the end of the stream."""
        self._producer.flush()


class ZoneEventsSink(FixedPartitionedSink[list[E], None], Generic[E]):
    """A topic of events per zone, with as many partitions as it was created with.

    One writer in the whole cluster, so that hours stay in order on every partition.
    """

    def __init__(self, bootstrap: str, topic: str, partitions: int, codec: Codec[E]) -> None:
        self._bootstrap = bootstrap
        self._topic = topic
        self._partitions = partitions
        self._codec: Codec[E] = codec

    def list_parts(self) -> list[str]:
        """Return the name of the one writer."""
        return [_ONE_WRITER]

    def build_part(self, step_id: str, for_part: str, resume_state: None) -> ZoneEventsPartition[E]:
        """Open the writer."""
        return ZoneEventsPartition(self._bootstrap, self._topic, self._partitions, self._codec)
