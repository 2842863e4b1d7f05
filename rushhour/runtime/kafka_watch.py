"""Whether Kafka answers the clients of a process: a log line, a gauge, and its readiness.

The client of Kafka waits and connects again by itself, without a word. Its statistics say once a
second in which state its connections are.
"""

import logging
import math
import re
import threading
import time
import weakref
from typing import Any

import confluent_kafka as ck
from prometheus_client import Gauge

from rushhour.core.errors import KafkaFailure
from rushhour.core.kafka_cluster import KafkaCluster
from rushhour.runtime.monitor import Health
from rushhour.runtime.profile import traffic

KAFKA_UP = Gauge("rushhour_kafka_up", "Whether Kafka answers every client of this process")
KAFKA_UP.set(math.nan)  # a process without work has no client

_INTERVAL_MS = 1000
_PROFILE_INTERVAL_MS = 250  # the last bytes of a client are missing from its profile
# A connection may be opened anew, as after a time without requests: that is no outage.
_LOST_AFTER_MS = 3000  # without a connection in any statistics
# In the statistics: a broker, and one that is up. The group coordinator, which is not used, does
# not count.
_BROKER = re.compile(r'"source":"(?:configured|learned|internal)"')
_CONNECTED = re.compile(_BROKER.pattern + ', "state":"UP"')
# librdkafka forgets every broker when one that stops names none, and may never ask the configured
# ones again: https://github.com/confluentinc/librdkafka/issues/5301
_STRANDED_AFTER_MS = 5000  # without a broker in any statistics
_TIME = re.compile(r'"time":(\d+)')  # when they were made, seconds since 1970
_STALE_S = 3.0
_NEED = "kafka"

_log = logging.getLogger(__name__)


class KafkaState:
    """Whether Kafka is there for all clients of a process: one line when it is lost, one when back.

    Threads may share it.
    """

    def __init__(self, address: str, health: Health) -> None:
        self._address = address
        self._health = weakref.ref(health)
        self._watches: weakref.WeakSet[KafkaWatch] = weakref.WeakSet()
        self._lock = threading.Lock()
        self._lost_at: float | None = None

    def add(self, watch: "KafkaWatch") -> None:
        """Count a client in. It is not connected yet."""
        with self._lock:
            self._watches.add(watch)
        self.update()

    def update(self, reason: str = "") -> None:
        """Look at all clients again; `reason` is the last error of one of them."""
        with self._lock:
            states = [watch.connected for watch in self._watches]
            up = all(states)
            KAFKA_UP.set(up)
            health = self._health()
            if health is not None:
                health.set(_NEED, up=up)
            if False in states and self._lost_at is None:
                self._lost_at = time.monotonic()
                why = f": {reason}" if reason else ""
                _log.warning("Kafka at %s does not answer, waiting for it%s", self._address, why)
            elif up and self._lost_at is not None:
                seconds = time.monotonic() - self._lost_at
                self._lost_at = None
                _log.warning("Kafka at %s is back after %.1f s", self._address, seconds)


_states: "weakref.WeakKeyDictionary[Health, KafkaState]" = weakref.WeakKeyDictionary()


class KafkaWatch:
    """Hears from one client of Kafka, through the callbacks of its configuration.

    Attributes
    ----------
    connected
        Whether the client has a connection; None before the first statistics.
    failure
        Why the client can do nothing any more; None while it can.
    """

    def __init__(self, cluster: KafkaCluster, health: Health) -> None:
        self.connected: bool | None = None
        self.failure: str | None = None
        self._cluster = cluster
        self._missed = 0
        self._without_broker = 0
        self._interval_ms = _PROFILE_INTERVAL_MS if traffic.is_wanted else _INTERVAL_MS
        self._reason = ""
        self._state = _states.setdefault(health, KafkaState(cluster.bootstrap, health))
        self._state.add(self)

    def callbacks(self) -> dict[str, Any]:
        """Return the properties of a client that is watched."""
        return {
            "statistics.interval.ms": self._interval_ms,
            "stats_cb": self._on_statistics,
            "error_cb": self._on_error,
        }

    def _on_statistics(self, statistics: str) -> None:
        if traffic.is_wanted:
            traffic.note(statistics)
        # Searches: to decode the document would cost a hundred times more.
        made = _TIME.search(statistics)
        if made is not None and time.time() - int(made[1]) > _STALE_S:
            return  # nobody has polled the client meanwhile: what follows is newer
        up = _CONNECTED.search(statistics) is not None
        self._missed = 0 if up else self._missed + 1
        if up or self._missed * self._interval_ms == _LOST_AFTER_MS:
            if self.connected != up:
                self.connected = up
                self._state.update(self._reason)
            self._reason = ""
        self._without_broker = 0 if _BROKER.search(statistics) else self._without_broker + 1
        if self._without_broker * self._interval_ms >= _STRANDED_AFTER_MS:
            self.failure = (
                f"Kafka at {self._cluster}: the client has forgotten every broker, as it may when "
                "one stops (a defect of librdkafka): start the process again"
            )

    def raise_failure(self) -> None:
        """Raise if the client can do nothing any more.

        Raises
        ------
        KafkaFailure
            Says why.
        """
        if self.failure is not None:
            raise KafkaFailure(self.failure)

    def _on_error(self, error: ck.KafkaError) -> None:
        if error.fatal():
            self.failure = f"Kafka at {self._cluster}: {error.str()}"
        elif error.code() != ck.KafkaError._ALL_BROKERS_DOWN:  # says less than the error before
            self._reason = error.str()


class WatchedConsumer(ck.Consumer):
    """A consumer that knows whether Kafka answers."""

    def __init__(self, config: dict[str, Any], watch: KafkaWatch) -> None:
        super().__init__(config | watch.callbacks())
        self._watch = watch

    def wait_and_take(self, seconds: float, most: int) -> list[ck.Message]:
        """Wait for a message, for some seconds; return all that have arrived, `most` at most.

        `consume` waits for its whole time unless it gets as many as it may return.

        Raises
        ------
        KafkaFailure
            If the client can do nothing any more.
        """
        first = self.poll(seconds)
        self._watch.raise_failure()
        return [] if first is None else [first, *self.consume(most - 1, timeout=0)]

    def lag(self, topic: str, partition: int, offset: int) -> float:
        """Return how many messages a partition holds from `offset` on, as of the last fetch.

        NaN while Kafka does not answer. `topic` is its name on the cluster.
        """
        if self._watch.connected is False:
            return math.nan
        marks = self.get_watermark_offsets(ck.TopicPartition(topic, partition), cached=True)
        return max(0, int(marks[1]) - offset)
