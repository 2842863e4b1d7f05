"""Metrics that more than one part exports. Each part has its own beside these."""

import time
from collections.abc import Mapping

import confluent_kafka as ck
from prometheus_client import Gauge

from rushhour.runtime.kafka import lag

_EVERY_S = 1.0

LAG = Gauge(
    "rushhour_lag_messages",
    "Messages on a partition that this process has not read yet",
    ["topic", "partition"],
)


class LagMeter:
    """Shows the lag of one consumer, not more often than anybody looks."""

    def __init__(self, consumer: ck.Consumer) -> None:
        self._consumer = consumer
        self._next = 0.0

    def measure(self, offsets: Mapping[tuple[str, int], int], *, now: bool = False) -> None:
        """Show the lag, given the next offset to read of each partition: if it is time, or `now`.

        The consumer must be open.
        """
        moment = time.monotonic()
        if moment < self._next and not now:
            return
        self._next = moment + _EVERY_S
        for (topic, partition), offset in offsets.items():
            LAG.labels(topic, partition).set(lag(self._consumer, topic, partition, offset))
