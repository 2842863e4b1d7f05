"""The Kafka sink: the events of one hour of all zones, in one batch per partition."""

from collections.abc import Callable
from typing import Any, Generic, TypeVar

from bytewax.outputs import FixedPartitionedSink, StatefulSinkPartition

from dataflows.failure import noted
from rushhour.core.codec import Codec
from rushhour.core.events import AlertEvent, HourEnd, HourlyRides, Prediction
from rushhour.core.kafka_cluster import KafkaCluster
from rushhour.core.topics import zone_routes
from rushhour.core.zones import FIRST_ZONE
from rushhour.runtime.batch_producer import BatchProducer
from rushhour.runtime.failpoints import reach
from rushhour.runtime.monitor import Health

E = TypeVar("E", HourlyRides, Prediction, AlertEvent)

_ONE_WRITER = "zones"


class ZoneEventsPartition(StatefulSinkPartition[list[E], None], Generic[E]):
    """Writes lists of one topic's events: each to the partition of its zone, or its own.

    A snapshot waits until the broker has acknowledged everything written before it, so a restart
    loses nothing; events written after the snapshot are written again.
    """

    def __init__(
        self,
        cluster: KafkaCluster,
        topic: str,
        partitions: int,
        codec: Codec[E],
        health: Health | None = None,
    ) -> None:
        self._topic = topic
        self._codec: Codec[E] = codec
        self._producer = BatchProducer(cluster, health)
        self._routes = zone_routes(partitions)
        self._partitions = partitions

    @noted
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
                value = encode(event)
                if isinstance(event, HourEnd):
                    messages[event.partition].append({"value": value})
                else:
                    partition, key = routes[event.pickup_location_id - FIRST_ZONE]
                    messages[partition].append({"key": key, "value": value})
        for partition, batch in enumerate(messages):
            self._producer.send(self._topic, partition, batch)

    @noted
    def snapshot(self) -> None:
        """Wait for the broker to acknowledge all events; there is no state.

        Raises
        ------
        KafkaFailure
            If an event could not be delivered.
        """
        self._producer.flush()
        reach("dataflow.flushed", topic=self._topic)

    @noted
    def close(self) -> None:
        """Wait for the broker to acknowledge all events at the end of the stream."""
        self._producer.flush()


class ZoneEventsSink(FixedPartitionedSink[list[E], None], Generic[E]):
    """A topic of events per zone.

    It has one writer in the whole cluster, so that hours stay in order on every partition.
    """

    def __init__(self, open_writer: Callable[[], ZoneEventsPartition[E]]) -> None:
        self._open_writer: Callable[[], ZoneEventsPartition[E]] = open_writer

    def list_parts(self) -> list[str]:
        """Return the name of the only writer."""
        return [_ONE_WRITER]

    @noted
    def build_part(self, step_id: str, for_part: str, resume_state: None) -> ZoneEventsPartition[E]:
        """Open the writer."""
        return self._open_writer()
