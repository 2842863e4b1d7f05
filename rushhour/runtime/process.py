"""What every process of the line does around its work: quiet exits, one-line errors."""

import logging
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from types import FrameType
from typing import NoReturn

from rushhour.core.errors import RushhourError
from rushhour.core.settings import Settings
from rushhour.runtime.lease import Lease
from rushhour.runtime.monitor import Health, serve

INTERRUPTED = 130


class Terminated(BaseException):
    """The process was asked to stop."""


def run_process(name: str, work: Callable[[], None]) -> NoReturn:
    """Run one part of the line to its end and exit.

    A user's error becomes one line on stderr and its exit code; SIGTERM and Ctrl-C end the
    process quietly. Any other exception keeps its traceback: it is a defect.
    """
    signal.signal(signal.SIGTERM, _terminate)
    logging.basicConfig(level=logging.INFO, format=f"{name}: %(message)s")
    try:
        work()
    except (KeyboardInterrupt, Terminated):
        sys.exit(INTERRUPTED)
    except Exception as error:
        user_error = _find_user_error(error)
        if user_error is None:
            raise
        _fail(name, user_error)
    sys.exit(0)


def run_part(name: str, main: Callable[[Settings, Health], None]) -> NoReturn:
    """Run one part of the line with its settings, watched over HTTP if they say so, and exit.

    `main` returns when its work is done.
    """

    def work() -> None:
        settings = Settings.load()
        health = Health()
        _, redis_url = settings.servers(name)
        if settings.metrics_port is not None:
            serve(name, settings.metrics_host, settings.metrics_port, health)
        with Lease(redis_url, f"{name}-{settings.process}"):
            main(settings, health)
        health.done()
        if settings.stay_alive:
            threading.Event().wait()

    run_process(name, work)


def _fail(name: str, error: RushhourError) -> NoReturn:
    print(f"{name}: {error}", file=sys.stderr, flush=True)
    sys.exit(error.exit_code)


def _find_user_error(error: BaseException) -> RushhourError | None:
    """Return a user's error, be it behind a library's wrapping, such as Bytewax's."""
    return next((cause for cause in causes(error) if isinstance(cause, RushhourError)), None)


def causes(error: BaseException) -> Iterator[BaseException]:
    """Yield an error and what led to it, from the last to the first."""
    seen: BaseException | None = error
    while seen is not None:
        yield seen
        seen = seen.__cause__ or seen.__context__


def _terminate(_signal: int, _frame: FrameType | None) -> None:
    raise Terminated
