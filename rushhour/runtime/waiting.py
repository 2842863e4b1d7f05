"""How long the threads that do a process's work wait, and for what.

Time counts in which such a thread does not use the CPU. So where processes share few cores, it
holds the time in which the thread was ready and no core was free.
"""

import threading
import time
from typing import Literal

from prometheus_client import Counter

Reason = Literal["clock", "closed_hours", "events", "gate", "kafka", "redis", "trips"]

WAITED = Counter(
    "rushhour_waited_seconds", "Wall time for which the process has waited", ["reason"]
)


class Waiting:
    """Measures the blocks in which a process waits for one thing: `with WAITING_FOR_REDIS:`.

    Blocks of one thread do not nest. Threads may share an instance.
    """

    def __init__(self, reason: Reason) -> None:
        self._waited = WAITED.labels(reason)
        self._began = _Began()

    def __enter__(self) -> None:
        self._began.at = _asleep()

    def __exit__(self, *_: object) -> None:
        self._waited.inc(max(0.0, _asleep() - self._began.at))


class _Began(threading.local):
    at = 0.0


def _asleep() -> float:
    """Return for how long this thread has not used the CPU, in seconds since some instant."""
    return time.monotonic() - time.thread_time()
