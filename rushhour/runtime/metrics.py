"""Metrics that more than one process exports."""

import time
from collections.abc import Mapping

from prometheus_client import Gauge

from rushhour.core.kafka_cluster import KafkaCluster
from rushhour.runtime.kafka_watch import WatchedConsumer

_INTERVAL_S = 1.0

LAG = Gauge(
    "rushhour_lag_messages",
    "Messages of a partition that this process has not read yet; NaN without Kafka",
    ["topic", "partition"],
)


class LagMeter:
    """Exports the lag of one Kafka consumer, measured at most once a second."""

    def __init__(self, cluster: KafkaCluster, consumer: WatchedConsumer) -> None:
        self._cluster = cluster
        self._consumer = consumer
        self._due = 0.0

    def measure(self, offsets: Mapping[tuple[str, int], int], *, now: bool = False) -> None:
        """Export the lag, if a second has passed since the last time, or with `now` in any case.

        The consumer must be open.

        Parameters
        ----------
        offsets
            Next offset to read of each topic and partition.
        """
        moment = time.monotonic()
        if moment < self._due and not now:
            return
        self._due = moment + _INTERVAL_S
        for (topic, partition), offset in offsets.items():
            name = self._cluster.topic(topic)
            LAG.labels(topic, partition).set(self._consumer.lag(name, partition, offset))
