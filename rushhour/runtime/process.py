"""The frame of every process: logging, exit codes, and errors as one line."""

import logging
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from types import FrameType
from typing import NoReturn

from rushhour.core.errors import INTERRUPTED, RushhourError
from rushhour.core.settings import Settings
from rushhour.runtime.build_info import export_version
from rushhour.runtime.lease import Lease
from rushhour.runtime.logs import set_up_logging
from rushhour.runtime.monitor import Health, serve

_DEFECT = 1

_log = logging.getLogger(__name__)


class Terminated(BaseException):
    """The process received SIGTERM."""


def run_process(name: str, work: Callable[[], None]) -> NoReturn:
    """Run a process to its end and exit.

    A `RushhourError` is logged in one line and ends the process with its exit code. SIGTERM and
    Ctrl-C end it without a message. Any other exception is a defect: it is logged with its
    traceback and ends the process with exit code 1.
    """
    signal.signal(signal.SIGTERM, _terminate)
    set_up_logging(name)
    try:
        work()
    except (KeyboardInterrupt, Terminated):
        sys.exit(INTERRUPTED)
    except Exception as error:
        user_error = _find_user_error(error)
        if user_error is None:
            _log.exception("unexpected %s: %s", type(error).__name__, error)
            sys.exit(_DEFECT)
        _log.error("%s", user_error)
        sys.exit(user_error.exit_code)
    sys.exit(0)


def run_pipeline_process(name: str, main: Callable[[Settings, Health], None]) -> NoReturn:
    """Run one process of the pipeline and exit once its work is done.

    Loads the settings, serves `/metrics` and `/healthz` if a port is set, and holds the lease of
    the process while `main` runs. `main` returns when its work is done.
    """

    def work() -> None:
        settings = Settings.load()
        health = Health()
        _, redis_address = settings.servers(name)
        export_version()
        if settings.metrics_port is not None:
            serve(name, settings.metrics_host, settings.metrics_port, health)
        with Lease(redis_address, f"{name}-{settings.process}"):
            main(settings, health)
        health.done()
        if settings.stay_alive:
            threading.Event().wait()

    run_process(name, work)


def causes(error: BaseException) -> Iterator[BaseException]:
    """Yield an error and its causes, the last one raised first."""
    current: BaseException | None = error
    while current is not None:
        yield current
        current = current.__cause__ or current.__context__


def _find_user_error(error: BaseException) -> RushhourError | None:
    """Return the `RushhourError` among the causes: libraries such as Bytewax wrap it."""
    return next((cause for cause in causes(error) if isinstance(cause, RushhourError)), None)


def _terminate(_signal: int, _frame: FrameType | None) -> None:
    raise Terminated
