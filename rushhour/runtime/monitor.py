"""The HTTP endpoints of a process: `/metrics` for Prometheus, and `/healthz`."""

import json
import threading
import time
from collections.abc import Callable, Iterable
from socketserver import ThreadingMixIn
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

from prometheus_client import make_wsgi_app

from rushhour.core.errors import StackError

# Longer than any legitimate pause of a loop, such as waiting for a broker.
STUCK_AFTER_S = 60.0

Application = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]


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
        self._needs: dict[str, bool] = {}

    def set(self, need: str, *, up: bool) -> None:
        """Record whether something that the process needs, such as `redis`, is there."""
        self._needs[need] = up

    def missing(self) -> list[str]:
        """Return what the process needs and does not have: it is ready if there is nothing."""
        return [need for need, up in self._needs.copy().items() if not up]

    def beat(self) -> None:
        """Record a heartbeat."""
        self._last = self._wall()

    def done(self) -> None:
        """Record that the work is done: no further heartbeat is expected."""
        self._last = None

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
        if path == "/healthz":
            alive = health.is_alive()
            status = "200 OK" if alive else "503 Service Unavailable"
            answer = {"process": name, "status": "ok" if alive else "stuck"}
        else:
            status, answer = "404 Not Found", {"error": "not found: use /metrics or /healthz"}
        # A new list for each response, because wsgiref appends Content-Length to it.
        start_response(status, [("Content-Type", "application/json")])
        return [json.dumps(answer).encode()]

    return respond


def serve(name: str, host: str, port: int, health: Health) -> None:
    """Serve `/metrics` and `/healthz` from a daemon thread.

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
