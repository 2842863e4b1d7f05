"""What every process of the line does around its work: quiet exits, one-line errors."""

import logging
import signal
import sys
from collections.abc import Callable
from types import FrameType
from typing import NoReturn

from core.errors import RushhourError

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


def _fail(name: str, error: RushhourError) -> NoReturn:
    print(f"{name}: {error}", file=sys.stderr, flush=True)
    sys.exit(error.exit_code)


def _find_user_error(error: BaseException) -> RushhourError | None:
    """Return a user's error, be it behind a library's wrapping, such as Bytewax's."""
    seen: BaseException | None = error
    while seen is not None:
        if isinstance(seen, RushhourError):
            return seen
        seen = seen.__cause__ or seen.__context__
    return None


def _terminate(_signal: int, _frame: FrameType | None) -> None:
    raise Terminated
