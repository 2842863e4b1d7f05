"""The server of the pages: uvicorn on a socket that is open already."""

import asyncio
import socket

import uvicorn

from rushhour.simulator.web.app import create_app
from rushhour.simulator.web.guard import Guard
from rushhour.simulator.web.live.feed import Feed
from rushhour.simulator.web.source import Locate, RunSource

_GRACE_S = 1  # for requests under way when the server is told to end
_KEEP_ALIVE_S = 30
_MAX_REQUESTS = 200  # at once, with those of open pages


class _Server(uvicorn.Server):
    """Ends the streams of open pages before it waits for requests to end."""

    feed: Feed

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self.feed.close()
        await super().shutdown(sockets)


class PageServer:
    """Serves the pages of a run on a listening socket.

    Parameters
    ----------
    locate
        Returns the address of the run's Redis, or raises `RedisFailure` if there is no run.
    guard
        Who may read and command.
    """

    def __init__(self, locate: Locate, guard: Guard) -> None:
        source = RunSource(locate)
        feed = Feed(source)
        config = uvicorn.Config(
            create_app(source, feed, guard),
            http="h11",
            ws="none",
            lifespan="off",
            log_level="warning",
            access_log=False,
            server_header=False,
            limit_concurrency=_MAX_REQUESTS,
            timeout_keep_alive=_KEEP_ALIVE_S,
            timeout_graceful_shutdown=_GRACE_S,
        )
        self._server = _Server(config)
        self._server.feed = feed

    def run(self, listening: socket.socket) -> None:
        """Serve until a signal."""
        asyncio.run(self._server.serve([listening]))

    def end(self) -> None:
        """Let `run` return, from another thread."""
        self._server.should_exit = True
