"""A small TCP proxy before Redis or Kafka, which a test cuts, delays, or makes half open."""

import asyncio
import struct
import threading
from collections.abc import Callable, Coroutine
from contextlib import suppress
from typing import Any, Literal, TypeVar

from rushhour.simulator.stack.ports import HOST

# open: forward. cut: close and refuse. delayed: hold each chunk back for a while. half-open: accept
# connections and forward nothing. mute: forward requests, and drop the replies.
Mode = Literal["open", "cut", "delayed", "half-open", "mute"]
Address = tuple[str, int]
T = TypeVar("T")

DELAY_S = 0.2
_CHUNK_BYTES = 256 * 1024
_FRAME_LIMIT_BYTES = 64 * 1024  # replies that hold the port of a broker are shorter


class Loop:
    """An event loop in a thread, for all proxies of a test."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="proxy", daemon=True)
        self._thread.start()

    def call(self, work: Coroutine[Any, Any, T]) -> T:
        """Run a coroutine in the loop, and return its result."""
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(timeout=10.0)

    def close(self) -> None:
        """Stop the loop and its connections."""
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()


class Proxy:
    """Forwards a port of its own to an upstream server, in the mode that it has at the moment.

    Parameters
    ----------
    loop
        Where it runs.
    upstream
        Host and port of the server; may be changed, for connections to come.
    kafka
        Replace the port of the server in Kafka's replies with the proxy's own, so that clients
        stay behind the proxy: brokers tell their clients where they are.
    """

    def __init__(self, loop: Loop, upstream: Address, *, kafka: bool = False) -> None:
        self.upstream = upstream
        self._kafka = kafka
        self._loop = loop
        self._mode: Mode = "open"
        self._writers: set[asyncio.StreamWriter] = set()
        self._server = loop.call(asyncio.start_server(self._serve, HOST, 0))
        self.port = int(self._server.sockets[0].getsockname()[1])

    @property
    def address(self) -> str:
        """`host:port` for clients."""
        return f"{HOST}:{self.port}"

    def switch(self, mode: Mode) -> None:
        """Change the mode. Leaving `half-open` or `mute` closes connections: bytes are missing."""
        self._loop.call(self._switch(mode))

    def close(self) -> None:
        """Stop listening and close all connections."""
        self._loop.call(self._close())

    async def _switch(self, mode: Mode) -> None:
        if mode == "cut" or self._mode in ("half-open", "mute"):
            self._drop_connections()
        self._mode = mode

    async def _close(self) -> None:
        self._server.close()
        self._drop_connections()

    def _drop_connections(self) -> None:
        for writer in self._writers:
            writer.transport.abort()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._mode == "cut":
            writer.transport.abort()
            return
        self._writers.add(writer)
        upstream: asyncio.StreamWriter | None = None
        try:
            replies, upstream = await asyncio.open_connection(*self.upstream)
            self._writers.add(upstream)
            translate = self._translation() if self._kafka else None
            pumps = [
                asyncio.ensure_future(self._pump(reader, upstream, ("half-open",), None)),
                asyncio.ensure_future(
                    self._pump(replies, writer, ("half-open", "mute"), translate)
                ),
            ]
            await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
            for pump in pumps:
                pump.cancel()
        except OSError:
            pass  # the server is away: the client sees its connection closed
        finally:
            for each in filter(None, (writer, upstream)):
                self._writers.discard(each)
                each.transport.abort()

    async def _pump(
        self,
        source: asyncio.StreamReader,
        sink: asyncio.StreamWriter,
        lost_in: tuple[Mode, ...],
        translate: Callable[[bytes], bytes] | None,
    ) -> None:
        with suppress(OSError):
            while chunk := await source.read(_CHUNK_BYTES):
                if translate is not None:
                    chunk = translate(chunk)
                if self._mode == "delayed":
                    await asyncio.sleep(DELAY_S)
                if self._mode in lost_in:
                    continue
                sink.write(chunk)
                await sink.drain()

    def _translation(self) -> Callable[[bytes], bytes]:
        host, port = self.upstream
        return KafkaFrames(host, port, self.port).feed


class KafkaFrames:
    """Replaces a broker's port in a stream of Kafka replies.

    A broker is named in metadata by its host, a string, and its port, an int of 32 bits right
    behind it. Both have the same length in the reply that is passed on.
    """

    def __init__(self, host: str, port: int, own_port: int) -> None:
        self._pattern = host.encode() + struct.pack(">i", port)
        self._replacement = host.encode() + struct.pack(">i", own_port)
        self._buffer = bytearray()

    def feed(self, chunk: bytes) -> bytes:
        """Add bytes, and return the whole frames that they complete, with the port replaced."""
        self._buffer += chunk
        out = bytearray()
        while len(self._buffer) >= 4:
            end = 4 + int(struct.unpack_from(">i", self._buffer)[0])
            if len(self._buffer) < end:
                break
            frame = bytes(self._buffer[:end])
            del self._buffer[:end]
            if len(frame) <= _FRAME_LIMIT_BYTES:
                frame = frame.replace(self._pattern, self._replacement)
            out += frame
        return bytes(out)
