"""`rushhour web`: serve the pages of a run that other processes do, or of a saved one."""

import threading
import time
from contextlib import ExitStack

import redis

from rushhour.core.errors import StackError
from rushhour.core.settings import Settings
from rushhour.simulator.commands.interrupts import deferred
from rushhour.simulator.commands.output import Output
from rushhour.simulator.stack.open_run import OpenRun, open_run
from rushhour.simulator.stack.page_server import listen, url_of
from rushhour.simulator.stack.run_kafka import kafka_of
from rushhour.simulator.stack.session import Session
from rushhour.simulator.web.guard import Guard
from rushhour.simulator.web.server import PageServer
from rushhour.simulator.web.source import Place

_POLL_S = 0.1
_LOOK_S = 1.0  # between two looks for a live run while a saved one is shown


def web(settings: Settings, output: Output) -> None:
    """Serve the pages until Ctrl-C, which is the expected end; runs may come and go meanwhile.

    Raises
    ------
    UsageError
        If the address cannot be served.
    StackError
        If the server fails.
    """
    guard = Guard(settings.web_host, settings.web_host_names, settings.web_token)
    with listen(settings) as listening, RunFinder(settings) as finder, deferred() as interrupts:
        server = PageServer(finder.locate, guard)
        serving = threading.Thread(target=server.run, args=[listening], name="web", daemon=True)
        serving.start()
        output.show(url_of(listening))
        output.note("serving the pages until Ctrl-C")
        if guard.access == "none":
            output.warn(
                "the pages are read-only: other machines reach them, and there is no "
                f"{Settings.env_name('web_token')}"
            )
        try:
            while serving.is_alive():
                interrupts.check()
                finder.look_for_live_run()
                time.sleep(_POLL_S)
        except KeyboardInterrupt:
            server.end()
            serving.join()
            return
    raise StackError("the server of the pages ended")


class RunFinder:
    """Finds the run to show: that of `--redis`, else the live one here, else the saved one.

    Parameters
    ----------
    settings
        Say where to look.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._lock = threading.Lock()
        self._open = ExitStack()
        self._opened: OpenRun | None = None
        self._look_at = 0.0

    def __enter__(self) -> "RunFinder":
        return self

    def __exit__(self, *_: object) -> None:
        with self._lock:
            self._open.close()

    def locate(self) -> Place:
        """Return where the run is now; a Redis that still answers is kept.

        Raises
        ------
        RedisFailure
            If there is none.
        """
        with self._lock:
            if self._opened is None or not _answers(self._opened):
                self._open.close()
                self._opened = None
                self._opened = self._open.enter_context(open_run(self._settings))
            return Place(self._opened.address, kafka_of(self._settings, self._opened))

    def look_for_live_run(self) -> None:
        """End the saved run once there is a live one: whoever reads it then looks again."""
        now = time.monotonic()
        if now < self._look_at:
            return
        self._look_at = now + _LOOK_S
        with self._lock:
            if self._opened is None or self._opened.kind != "saved":
                return
            session = Session.load(self._settings.state_dir)
            if session is not None and session.client() is not None:
                self._open.close()
                self._opened = None


def _answers(opened: OpenRun) -> bool:
    try:
        return bool(opened.client.ping())
    except redis.RedisError:
        return False
