"""The Kafka side of the replay: sends trips and ticks to the topic `trips`."""

from producers.encode import TripEncoder
from producers.metrics import TRIPS_SENT
from producers.trips import TripTable
from rushhour.core.hours import floor_hour
from rushhour.core.kafka_cluster import KafkaCluster
from rushhour.core.topics import TRIPS
from rushhour.runtime.failpoints import reach
from rushhour.runtime.kafka import BatchProducer
from rushhour.runtime.monitor import Health


class KafkaStream:
    """Sends trips to the partitions of their zones, and ticks to all partitions."""

    def __init__(
        self, cluster: KafkaCluster, run_id: str, partitions: int, health: Health | None = None
    ) -> None:
        self._producer = BatchProducer(cluster, health)
        self._encoder = TripEncoder(run_id, partitions)

    def send_trips(self, table: TripTable, first: int, end: int) -> None:
        """Send trips [`first`, `end`).

        Raises
        ------
        KafkaFailure
            If a message could not be delivered.
        """
        if end > first:
            reach("producer.trips", hour=int(floor_hour(table.pickup_ts[first])))
        for partition, messages in enumerate(self._encoder.trips(table, first, end)):
            self._producer.send(TRIPS, partition, messages)
        TRIPS_SENT.inc(end - first)

    def send_tick(self, sim_ts: int, *, final: bool = False) -> None:
        """Send a tick to every partition."""
        message = self._encoder.tick(sim_ts, final=final)
        for partition in range(self._encoder.partitions):
            reach("producer.tick", hour=sim_ts, partition=partition, final=int(final))
            self._producer.send(TRIPS, partition, [dict(message)])

    def flush(self) -> None:
        """Wait until every message is on the broker."""
        self._producer.flush()
        reach("producer.finished")
