"""The Kafka side of the replay: trips and ticks to `trips`, starts of hours to `submissions`."""

from collections.abc import Sequence

from producers.encode import TripEncoder
from producers.looping import LoopedPartition
from producers.metrics import TRIPS_SENT
from producers.numbering import PartitionTrips
from rushhour.core.codec import hour_start_codec
from rushhour.core.events import HourStart
from rushhour.core.hours import floor_hour
from rushhour.core.kafka_cluster import KafkaCluster
from rushhour.core.topics import SUBMISSIONS, TRIPS
from rushhour.runtime.batch_producer import BatchProducer
from rushhour.runtime.failpoints import reach
from rushhour.runtime.monitor import Health


class KafkaStream:
    """Sends the trips of a run to the partitions of their zones, and ticks to all partitions.

    Parameters
    ----------
    submission_partitions
        Partitions of `submissions`: each gets the starts of all hours.
    """

    def __init__(
        self,
        cluster: KafkaCluster,
        run_id: str,
        partitions: Sequence[PartitionTrips | LoopedPartition],
        health: Health | None = None,
        *,
        submission_partitions: int = 0,
    ) -> None:
        self._producer = BatchProducer(cluster, health)
        self._partitions = partitions
        self._encoder = TripEncoder(run_id, partitions)
        self._hour_starts = hour_start_codec(run_id)
        self._submission_partitions = submission_partitions

    def send_trips(self, start_ts: int, end_ts: int) -> None:
        """Send the trips of [`start_ts`, `end_ts`), epoch ms.

        Raises
        ------
        KafkaFailure
            If a message could not be delivered.
        """
        count = self.trips_before(end_ts) - self.trips_before(start_ts)
        if count:
            reach("producer.trips", hour=floor_hour(start_ts))
        for partition, messages in enumerate(self._encoder.trips(start_ts, end_ts)):
            self._producer.send(TRIPS, partition, messages)
        TRIPS_SENT.inc(count)

    def send_tick(self, hour_ts: int, *, final: bool = False) -> None:
        """Send a tick to every partition; `final` at the end of the run."""
        for partition, message in enumerate(self._encoder.ticks(hour_ts)):
            reach("producer.tick", hour=hour_ts, partition=partition, final=int(final))
            self._producer.send(TRIPS, partition, [message])

    def send_hour_start(self, hour_ts: int) -> None:
        """Say on every partition of `submissions` that an hour begins: its trips follow."""
        message = (None, self._hour_starts.encode(HourStart(hour_ts)))
        for partition in range(self._submission_partitions):
            self._producer.send(SUBMISSIONS, partition, [message])

    def flush(self) -> None:
        """Wait until every message is on the broker."""
        self._producer.flush()
        reach("producer.finished")

    def trips_before(self, ts: int) -> int:
        """Return the number of trips of the run before an instant (epoch ms)."""
        return sum(partition.trips.before(ts) for partition in self._partitions)
