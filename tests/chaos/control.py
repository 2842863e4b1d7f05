"""The driver's end of the failpoints: a Unix socket to which held processes report."""

import json
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from socketserver import StreamRequestHandler, ThreadingMixIn, UnixStreamServer
from tempfile import TemporaryDirectory

# Processes that are killed by the driver leave connections behind: the number has no bound.
_BACKLOG = 128


@dataclass(frozen=True, slots=True)
class Event:
    """A process has reached a failpoint for the `count`-th time, and waits for an answer.

    `details` is what the failpoint says of itself: hours in epoch ms, a partition, a topic.
    """

    name: str
    count: int
    pid: int
    details: dict[str, int | str] = field(default_factory=dict)

    @property
    def hour(self) -> int | None:
        """The hour of the failpoint (epoch ms), if it has one."""
        hour = self.details.get("hour")
        return hour if isinstance(hour, int) else None


class Control:
    """Listens on `path`, a socket, and lets `answer` decide what each held process does.

    `answer` is called from a thread of its own for each event: the process is held until it
    returns `go`, `kill` or `raise`.
    """

    def __init__(self, answer: Callable[[Event], str]) -> None:
        self._directory = TemporaryDirectory(prefix="chaos-")  # the path of a socket must be short
        self.path = Path(self._directory.name) / "control"

        class Handler(StreamRequestHandler):
            def handle(self) -> None:
                line = self.rfile.readline()
                if not line:
                    return
                fields = json.loads(line)
                event = Event(fields.pop("name"), fields.pop("count"), fields.pop("pid"), fields)
                reply = answer(event)
                with suppress(OSError):  # it was killed meanwhile
                    self.wfile.write(reply.encode() + b"\n")

        self._server = _Server(str(self.path), Handler)
        threading.Thread(
            target=self._server.serve_forever, args=(0.05,), name="control", daemon=True
        ).start()

    def close(self) -> None:
        """Stop listening. Processes that reach a failpoint go on."""
        self._server.shutdown()
        self._server.server_close()
        self._directory.cleanup()


class _Server(ThreadingMixIn, UnixStreamServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = _BACKLOG
