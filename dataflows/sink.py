"""The Kafka sink: the events of one hour of all zones, in one batch per partition."""

from collections.abc import Callable
from itertools import chain
from typing import Generic, TypeVar

from bytewax.outputs import FixedPartitionedSink, StatefulSinkPartition

from dataflows.failure import noted
from rushhour.core.kafka_cluster import KafkaCluster
from rushhour.core.topics import Messages
from rushhour.runtime.batch_producer import BatchProducer
from rushhour.runtime.failpoints import reach
from rushhour.runtime.monitor import Health

T = TypeVar("T")

_ONE_WRITER = "zones"


class ZoneEventsPartition(StatefulSinkPartition[T, None], Generic[T]):
    """Writes the events of hours to one topic.

    A snapshot waits until the broker has acknowledged everything written before it, so a restart
    loses nothing; events written after the snapshot are written again.

    Parameters
    ----------
    messages
        Makes the messages of an hour.
    """

    def __init__(
        self,
        cluster: KafkaCluster,
        topic: str,
        messages: Callable[[T], Messages],
        health: Health | None = None,
    ) -> None:
        self._topic = topic
        self._messages: Callable[[T], Messages] = messages
        self._producer = BatchProducer(cluster, health)

    @noted
    def write_batch(self, values: list[T]) -> None:
        """Send hours of events, in order.

        Raises
        ------
        KafkaFailure
            If an event could not be delivered.
        """
        hours = map(self._messages, values)
        for partition, of_hours in enumerate(zip(*hours, strict=True)):
            self._producer.send(self._topic, partition, list(chain.from_iterable(of_hours)))

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


class ZoneEventsSink(FixedPartitionedSink[T, None], Generic[T]):
    """A topic of events per zone.

    It has one writer in the whole cluster, so that hours stay in order on every partition.
    """

    def __init__(self, open_writer: Callable[[], ZoneEventsPartition[T]]) -> None:
        self._open_writer: Callable[[], ZoneEventsPartition[T]] = open_writer

    def list_parts(self) -> list[str]:
        """Return the name of the only writer."""
        return [_ONE_WRITER]

    @noted
    def build_part(self, step_id: str, for_part: str, resume_state: None) -> ZoneEventsPartition[T]:
        """Open the writer."""
        return self._open_writer()
