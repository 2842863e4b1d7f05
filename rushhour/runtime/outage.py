"""Redis is away for a while: which errors pass by themselves, and what a process says meanwhile."""

import logging
import re
import threading
import time

import redis
from prometheus_client import Gauge

from rushhour.core.redis_address import RedisAddress
from rushhour.runtime.monitor import Health

_log = logging.getLogger(__name__)

REDIS_UP = Gauge("rushhour_redis_up", "Whether Redis answers this process and accepts writes")

_READY = "redis"

# Replies of a Redis that will work again: it loads its data, is being replaced by its replica, or
# lacks memory, disk or replicas. Inside of a script, Redis 6 puts other words before the code.
_PASSES = re.compile(
    r"(?:^|: -?)"
    r"(?:LOADING|READONLY|OOM|MISCONF|MASTERDOWN|NOREPLICAS|UNBLOCKED|BUSY|CLUSTERDOWN|TRYAGAIN) "
)
_PASSING = (
    redis.ConnectionError,
    redis.TimeoutError,
    redis.ReadOnlyError,
    redis.OutOfMemoryError,
    redis.exceptions.ClusterDownError,
    redis.exceptions.TryAgainError,
)
_REFUSED = (redis.AuthenticationError, redis.exceptions.AuthorizationError)


def is_outage(error: BaseException | None) -> bool:
    """Return whether an error of the Redis client passes without a change of settings or data.

    >>> is_outage(redis.ConnectionError("Connection refused"))
    True
    >>> is_outage(redis.ResponseError("MISCONF Redis is configured to save RDB snapshots"))
    True
    >>> is_outage(redis.AuthenticationError("a password is required"))
    False
    >>> is_outage(redis.ResponseError("WRONGTYPE Operation against a key"))
    False
    """
    if isinstance(error, _REFUSED):
        return False
    if isinstance(error, redis.ResponseError) and _PASSES.search(str(error)):
        return True
    return isinstance(error, _PASSING)


class RedisState:
    """Whether Redis is there for this process: one log line when it is lost, one when it is back.

    The gauge `rushhour_redis_up` and the readiness of the process follow. Threads may share it.
    """

    def __init__(self, server: RedisAddress | str, health: Health) -> None:
        self._where = f"Redis at {RedisAddress.of(server)}"
        self._health = health
        self._lock = threading.Lock()
        self._lost_at: float | None = None
        self._export(up=False)

    def lost(self, error: BaseException) -> None:
        """Record that Redis failed."""
        with self._lock:
            if self._lost_at is None:
                self._lost_at = time.monotonic()
                self._export(up=False)
                _log.warning("%s is lost, waiting for it: %s", self._where, error)

    def back(self) -> None:
        """Record that Redis works."""
        with self._lock:
            self._export(up=True)
            if self._lost_at is not None:
                seconds = time.monotonic() - self._lost_at
                self._lost_at = None
                _log.warning("%s is back after %.1f s", self._where, seconds)

    def _export(self, *, up: bool) -> None:
        REDIS_UP.set(up)
        self._health.set(_READY, up=up)
