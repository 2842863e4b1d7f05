"""Where the run is: a client of its Redis, found again after it was away or another run began."""

import threading
from collections.abc import Callable
from dataclasses import dataclass

import redis

from rushhour.core.kafka_cluster import KafkaCluster
from rushhour.core.redis_address import RedisAddress
from rushhour.runtime.redis_client import connect

_ANSWER_S = 10.0


@dataclass(frozen=True, slots=True)
class Place:
    """Where a run is. `kafka` is None if it is not known, as for a run that is saved."""

    redis: RedisAddress
    kafka: KafkaCluster | None = None


Locate = Callable[[], Place]


class RunSource:
    """Gives the Redis of the run to every thread that reads it.

    Parameters
    ----------
    locate
        Returns where the run is, or raises `RedisFailure` if there is none.
    """

    def __init__(self, locate: Locate) -> None:
        self._locate = locate
        self._lock = threading.Lock()
        self._client: redis.Redis | None = None
        self._kafka: KafkaCluster | None = None

    def client(self) -> redis.Redis:
        """Return a client of the run's Redis.

        Raises
        ------
        RedisFailure
            If there is no run, or its Redis does not answer.
        """
        with self._lock:
            if self._client is None:
                place = self._locate()
                self._client, self._kafka = connect(place.redis, answer_s=_ANSWER_S), place.kafka
            return self._client

    def kafka(self) -> KafkaCluster | None:
        """Return the Kafka of the run; None if it is not known.

        Raises
        ------
        RedisFailure
            If there is no run, or its Redis does not answer.
        """
        self.client()
        return self._kafka

    def lost(self, client: redis.Redis | None) -> None:
        """Forget a client whose Redis failed; the next one is looked for again."""
        with self._lock:
            if client is self._client:
                self._client = None
