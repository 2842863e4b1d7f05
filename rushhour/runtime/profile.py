"""What a process has used and waited for, left in a file at its end for `rushhour up --profile`.

Each life of a process has a file of its own: one that was killed leaves none, and its successor
starts at zero.
"""

import json
import os
import re
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rushhour.runtime.waiting import WAITED

_SCHEDSTAT = Path("/proc/self/schedstat")  # of the main thread; ns: on a core, waiting for one
_NS = 1e-9
_NAME = re.compile(r'"name": *"([^"]*)"')  # of a client, in its statistics
_BYTES = {
    "bytes_sent": re.compile(r'"txmsg_bytes": *(\d+)'),
    "bytes_received": re.compile(r'"rxmsg_bytes": *(\d+)'),
}


class Traffic:
    """What a process has exchanged with Kafka: messages, and bytes by the clients' statistics.

    Whoever has to look for it counts only if `is_wanted`.
    """

    def __init__(self) -> None:
        self._of_clients: dict[str, dict[str, int]] = {}
        self._sent = self._received = 0
        self._lock = threading.Lock()
        self.is_wanted = False

    def count(self, *, sent: int = 0, received: int = 0) -> None:
        """Count messages."""
        with self._lock:
            self._sent += sent
            self._received += received

    def note(self, statistics: str) -> None:
        """Keep what a client says of its bytes; it counts from its start."""
        name = _NAME.search(statistics)
        found = {kind: pattern.search(statistics) for kind, pattern in _BYTES.items()}
        with self._lock:
            self._of_clients[name[1] if name else ""] = {
                kind: int(match[1]) for kind, match in found.items() if match
            }

    def total(self) -> dict[str, int]:
        """Return the sums over all clients, closed ones too."""
        with self._lock:
            clients = list(self._of_clients.values())
            messages = {"messages_sent": self._sent, "messages_received": self._received}
        return messages | {kind: sum(each.get(kind, 0) for each in clients) for kind in _BYTES}


traffic = Traffic()


@contextmanager
def profiled(directory: Path | None, process: str) -> Iterator[None]:
    """Leave a file `PROCESS.PID.json` in a directory at the end, after an error too; none for None.

    Enter it in the main thread, before the first client of Kafka is made.
    """
    if directory is None:
        yield
        return
    traffic.is_wanted = True
    try:
        yield
    finally:
        path = directory / f"{process}.{os.getpid()}.json"
        path.write_text(json.dumps(figures()), "utf-8")


def figures() -> dict[str, object]:
    """Return what the process has done up to now: seconds, messages, bytes."""
    waited = {
        sample.labels["reason"]: sample.value
        for family in WAITED.collect()
        for sample in family.samples
        if sample.name.endswith("_total")
    }
    return {
        "other_threads_s": time.process_time() - time.thread_time(),
        "waited_s": waited | _waited_for_a_core(),
        **traffic.total(),
    }


def _waited_for_a_core() -> dict[str, float]:
    """Return for how long the main thread was ready and had no core; nothing if it is unknown."""
    try:
        return {"core": int(_SCHEDSTAT.read_text("ascii").split()[1]) * _NS}
    except (OSError, ValueError, IndexError):
        return {}
