"""The pages of a run as a child process: its end is noticed and mended, and never ends the run.

It is started for the first browser: a run that nobody looks at has no cost of it.
"""

import errno
import select
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rushhour.core.errors import StackError, UsageError
from rushhour.core.settings import WEB_PORT, Settings
from rushhour.simulator.stack.child_process import ChildProcess, Cost, python_command

_MODULE = "rushhour.simulator.web"  # a name: it lies above this package
_NAME = "web"
_PORTS_TO_TRY = 100
_LAST_PORT = 65_535
_BACKLOG = 128
_STABLE_S = 30.0  # after so long without a fault, the next one is the first again
_RESTARTS = 3
_ANY_ADDRESS = {"0.0.0.0": "127.0.0.1", "::": "::1", "": "127.0.0.1"}


class PageProcess:
    """The server of the pages. Its address is open from the beginning, so no browser is refused.

    Parameters
    ----------
    listening
        The socket that it serves on.
    directory
        Where it logs to.
    """

    def __init__(self, listening: socket.socket, directory: Path) -> None:
        self._listening = listening
        self._directory = directory
        self._settings: Settings | None = None
        self._process: ChildProcess | None = None
        self._started_at = 0.0
        self._restarts = 0
        self.url = url_of(listening)

    def start(self, settings: Settings) -> None:
        """Serve the run of these settings, with the addresses of its servers, once one asks."""
        self._settings = settings

    def update(self) -> str | None:
        """Start the server if a browser waits, or again if it has ended.

        Returns
        -------
        str or None
            What to tell the user, if anything.
        """
        process = self._process
        if process is None:
            return self._start_for_browser()
        if process.poll() is None:
            return None
        self._process = None
        how = f"the pages at {self.url} have ended (log: {process.log})"
        without = f"{how}: the run goes on without them"
        if time.monotonic() - self._started_at > _STABLE_S:
            self._restarts = 0
        if self._restarts >= _RESTARTS:
            self._listening.close()  # or browsers would wait for an answer
            return without
        self._restarts += 1
        problem = self._start()
        return f"{how}, and are started again" if problem is None else f"{without}: {problem}"

    def costs(self) -> dict[str, Cost | None]:
        """Return the resources that the server has used since it was last started."""
        return {} if self._process is None else {_NAME: self._process.cost_so_far()}

    def stop(self) -> None:
        """End the server."""
        if self._process is not None:
            self._process.stop()
        self._listening.close()

    def _start_for_browser(self) -> str | None:
        """Start the server if a connection waits to be accepted; return why it failed."""
        closed = self._listening.fileno() < 0
        if self._settings is None or closed or not select.select([self._listening], [], [], 0)[0]:
            return None
        problem = self._start()
        return problem and f"the pages at {self.url} cannot be served: {problem}"

    def _start(self) -> str | None:
        """Start the server; return why it failed: then no browser is kept waiting."""
        assert self._settings is not None
        descriptor = self._listening.fileno()
        self._started_at = time.monotonic()
        try:
            self._process = ChildProcess(
                _NAME,
                python_command(_MODULE, str(descriptor)),
                self._directory / f"{_NAME}.log",
                self._settings.as_environment(),
                pass_fds=(descriptor,),
            )
        except StackError as error:
            self._listening.close()
            return str(error)
        return None


@contextmanager
def open_page_server(settings: Settings) -> Iterator[PageProcess | None]:
    """Yield the server of the pages, which is yet to be started; None if none is wanted.

    Raises
    ------
    UsageError
        If the port that was asked for is taken, or the address is not one of this machine.
    """
    if not settings.web:
        yield None
        return
    server = PageProcess(listen(settings), settings.state_dir)
    try:
        yield server
    finally:
        server.stop()


def listen(settings: Settings) -> socket.socket:
    """Return a socket that listens for browsers, on the port asked for or the first free one.

    Raises
    ------
    UsageError
        If the port that was asked for is taken, or the address is not one of this machine.
    """
    host, wanted = settings.web_host, settings.web_port
    first = wanted or WEB_PORT
    ports = [wanted] if wanted else range(first, min(first + _PORTS_TO_TRY, _LAST_PORT + 1))
    for port in ports:
        try:
            return _listen(host, port)
        except OSError as error:
            # Python adds the address to the text of the system.
            problem, _, _ = str(error.strerror).partition(" (while")
            of_port = error.errno in {errno.EADDRINUSE, errno.EACCES}
            to_change = Settings.flag_name("web_port" if of_port else "web_host")
            if wanted or not _is_taken(error):
                break
    raise UsageError(
        f"the pages cannot be served at {host} port {port}: {problem}: choose another "
        f"{to_change}, or leave them out with --no-web"
    )


def url_of(listening: socket.socket) -> str:
    """Return the address that a browser on this machine opens."""
    host, port = listening.getsockname()[:2]
    host = _ANY_ADDRESS.get(host, host)
    return f"http://{f'[{host}]' if ':' in host else host}:{port}"


def is_next_port(settings: Settings, server: PageProcess) -> bool:
    """Whether the usual port was taken, and the pages are at another one."""
    return settings.web_port is None and not server.url.endswith(f":{WEB_PORT}")


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    return socket.create_server((host, port), family=family, backlog=_BACKLOG)


def _is_taken(error: OSError) -> bool:
    return error.errno == errno.EADDRINUSE
