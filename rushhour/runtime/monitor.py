"""The HTTP endpoints of a process: `/metrics` for Prometheus, `/healthz` and `/readyz`.

`/healthz` says whether the process works at all, and is 503 if restarting it may help. `/readyz`
says whether it can work now: 503 while it starts, and while Kafka or Redis does not answer.
"""

import json
import threading
import time
import weakref
from collections.abc import Callable, Iterable
from socketserver import ThreadingMixIn
from typing import Any, Protocol
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

from prometheus_client import make_wsgi_app

from rushhour.core.errors import StackError

# Longer than any legitimate pause of a loop, such as waiting for a broker.
STUCK_AFTER_S = 60.0
_POLL_S = 0.1

Application = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]


class Polled(Protocol):
    """Something that has to be polled regularly, such as a producer of Kafka."""

    def poll(self) -> None:
        """Handle what has happened, without waiting."""


class Health:
    """Whether the main loop of a process is alive. The loop calls `beat` once per iteration.

    A process without a heartbeat so far is alive: it may be reading a month of trips, or waiting
    for other processes.

    >>> health = Health(wall=iter([100.0, 159.0, 161.0]).__next__)
    >>> health.is_alive(), health.beat(), health.is_alive(), health.is_alive()
    (True, None, True, False)
    """

    def __init__(self, wall: Callable[[], float] = time.monotonic) -> None:
        self._wall = wall
        self._last: float | None = None
        self._has_begun = False
        self._needs: dict[str, bool] = {}
        self._polled: weakref.WeakSet[Polled] = weakref.WeakSet()
        self._poll_due = 0.0

    def set(self, need: str, *, up: bool) -> None:
        """Record whether something that the process needs, such as `redis`, is there."""
        self._needs[need] = up

    def missing(self) -> list[str]:
        """Return what the process needs and does not have: it is ready if there is nothing."""
        return [need for need, up in self._needs.copy().items() if not up]

    def poll_with_beats(self, polled: Polled) -> None:
        """Call `polled.poll` with heartbeats from now on, ten times a second at most."""
        self._polled.add(polled)

    def beat(self) -> None:
        """Record a heartbeat, and poll what wants it.

        Raises
        ------
        RushhourError
            What a poll raises.
        """
        self._last = now = self._wall()
        self._has_begun = True
        if now >= self._poll_due:
            self._poll_due = now + _POLL_S
            for polled in tuple(self._polled):
                polled.poll()

    def rest(self) -> None:
        """Expect no heartbeat until the next one."""
        self._last = None

    def done(self) -> None:
        """Record that the work is done: no further heartbeat is expected, nothing is needed."""
        self._last = None
        self._has_begun = True
        self._needs.clear()

    def is_starting(self) -> bool:
        """Whether the process has not begun its work yet."""
        return not self._has_begun

    def is_alive(self) -> bool:
        """Whether the last heartbeat is less than `STUCK_AFTER_S` ago, if one is expected."""
        return self._last is None or self._wall() - self._last < STUCK_AFTER_S


def application(name: str, health: Health) -> Application:
    """Return the WSGI application of the process `name`."""
    metrics = make_wsgi_app()

    def respond(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        path = environ.get("PATH_INFO")
        if path == "/metrics":
            return metrics(environ, start_response)  # type: ignore[no-any-return]
        status = "200 OK"
        answer: dict[str, object] = {"process": name}
        if path == "/healthz":
            answer["status"] = "ok" if health.is_alive() else "stuck"
        elif path == "/readyz":
            missing = health.missing()
            waits = "waiting" if missing else "starting" if health.is_starting() else "ready"
            answer |= {"status": waits, "missing": missing}
        else:
            status = "404 Not Found"
            answer = {"error": "not found: use /metrics, /healthz or /readyz"}
        if answer.get("status") in {"stuck", "waiting", "starting"}:
            status = "503 Service Unavailable"
        # A new list for each response, because wsgiref appends Content-Length to it.
        start_response(status, [("Content-Type", "application/json")])
        return [json.dumps(answer).encode()]

    return respond


def serve(name: str, host: str, port: int, health: Health) -> None:
    """Serve the endpoints from a daemon thread.

    Raises
    ------
    StackError
        If the address cannot be bound.
    """
    try:
        server = make_server(
            host,
            port,
            application(name, health),
            server_class=_Server,
            handler_class=_QuietHandler,
        )
    except OSError as error:
        raise StackError(
            f"metrics on {host}:{port}: {error.strerror or error}: choose another metrics port"
        ) from None
    threading.Thread(target=server.serve_forever, name="monitor", daemon=True).start()


class _Server(ThreadingMixIn, WSGIServer):
    daemon_threads = True


class _QuietHandler(WSGIRequestHandler):
    def log_message(self, *_: object) -> None:
        """Suppress access logs."""
