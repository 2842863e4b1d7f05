"""The frame of every process: logging, exit codes, and errors as one line."""

import gc
import logging
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from types import FrameType
from typing import NoReturn, TypeVar

import redis

from rushhour.core import keys
from rushhour.core.errors import INTERRUPTED, RedisFailure, RushhourError
from rushhour.core.redis_address import RedisAddress
from rushhour.core.settings import Settings
from rushhour.runtime.build_info import export_version
from rushhour.runtime.fence import Fence, StaleState
from rushhour.runtime.lease import Lease
from rushhour.runtime.logs import set_up_logging
from rushhour.runtime.monitor import Health, serve
from rushhour.runtime.outage import RedisState, is_outage
from rushhour.runtime.profile import profiled
from rushhour.runtime.redis_client import connect

_DEFECT = 1
_GRACE_S = 4.0  # a process that is told to stop ends within this time
_FIRST_PAUSE_S, _LAST_PAUSE_S = 0.1, 5.0  # between two attempts to reach a lost Redis
_STABLE_S = 60.0  # after so long without a fault, the next one is the first again
_MAX_STALE = 3
_NEXT_RUN_S = 2.0  # between two looks for another run
# New objects between two searches for garbage. Python's 700 are soon reached: a batch of messages
# has thousands, which are in use and would be searched again and again.
_NEW_OBJECTS = 50_000

_log = logging.getLogger(__name__)

E = TypeVar("E", bound=BaseException)
Main = Callable[[Settings, Health, Fence], None]


class Terminated(BaseException):
    """The process received SIGTERM."""


_INTERRUPTS = (KeyboardInterrupt, Terminated)


class _Ending:
    """Ends the process: at a signal, or because another thread found a reason."""

    def __init__(self) -> None:
        self.exit_code = INTERRUPTED
        self.at_once = False
        self._grace = threading.Lock()
        self._reason = threading.Lock()

    def on_signal(self, _signal: int, _frame: FrameType | None) -> NoReturn:
        if self.at_once:
            _leave(self.exit_code)
        self._limit()
        raise Terminated

    def because(self, error: RushhourError) -> None:
        """Log why the process has to end, and end it from another thread than the main one."""
        self.log(error)
        self.exit_code = error.exit_code
        if self.at_once:
            _leave(self.exit_code)
        self._limit()  # a main thread that runs no Python gets no signal
        os.kill(os.getpid(), signal.SIGTERM)

    def log(self, error: RushhourError) -> None:
        """Log why the process ends: once, though several threads may find the same."""
        if self._reason.acquire(blocking=False):
            _log.error("%s", error)

    def _limit(self) -> None:
        """Exit after the time of grace, whatever the process waits for then."""
        if self._grace.acquire(blocking=False):
            threading.Thread(target=self._exit, name="grace", daemon=True).start()

    def _exit(self) -> None:
        time.sleep(_GRACE_S)
        os._exit(self.exit_code)


_ending = _Ending()


def run_process(name: str, work: Callable[[], None]) -> NoReturn:
    """Run a process to its end and exit.

    A `RushhourError` is logged in one line and ends the process with its exit code. SIGTERM and
    Ctrl-C end it without a message, at the latest after `_GRACE_S`. Any other exception is a
    defect: it is logged with its traceback and ends the process with exit code 1.
    """
    signal.signal(signal.SIGTERM, _ending.on_signal)
    set_up_logging(name)
    try:
        work()
    except _INTERRUPTS:
        sys.exit(_ending.exit_code)
    except BaseException as error:
        # Libraries such as Bytewax replace what a signal raises.
        interrupted = any(isinstance(each, _INTERRUPTS) for each in causes(error))
        if interrupted or _ending.exit_code != INTERRUPTED:
            sys.exit(_ending.exit_code)
        if not isinstance(error, Exception):
            raise
        user_error = _cause(error, RushhourError)
        if user_error is None:
            _log.exception("unexpected %s: %s", type(error).__name__, error)
            sys.exit(_DEFECT)
        _ending.log(user_error)
        sys.exit(user_error.exit_code)
    sys.exit(0)


def run_pipeline_process(name: str, main: Main) -> NoReturn:
    """Run one process of the pipeline and exit once its work is done.

    Loads the settings, serves `/metrics` and `/healthz` if a port is set, and holds the lease of
    the process while `main` runs. `main` returns when its work is done.

    If Redis fails for a while, the process waits for it and calls `main` again, which resumes the
    run from what Redis holds. It ends if its lease is lost, with the exit code of a `StackError`.
    """

    def work() -> None:
        search_garbage_seldom()
        settings = Settings.load()
        health = Health()
        _, redis_address = settings.servers(name)
        export_version()
        if settings.metrics_port is not None:
            serve(name, settings.metrics_host, settings.metrics_port, health)
        state = RedisState(redis_address, health)
        process = f"{name}-{settings.process}"
        lease = Lease(redis_address, process, state, _ending.because)
        with profiled(settings.profile_dir, process), lease as fence:
            _run_through_outages(lambda: main(settings, health, fence), lease, state, health)
        health.done()
        if settings.stay_alive:
            _wait_for_another_run(redis_address, fence.run_id)

    try:
        run_process(name, work)
    except SystemExit as end:
        _leave(int(end.code or 0))


def search_garbage_seldom() -> None:
    """Let Python search for cyclic garbage seldom, and never among what exists already.

    What has been imported stays. Objects without cycles are freed at once, as ever.
    """
    gc.freeze()
    gc.set_threshold(_NEW_OBJECTS)


def _wait_for_another_run(address: RedisAddress, run_id: str) -> None:
    """Wait until Redis holds another run: whoever restarts the process lets it join that one."""
    while True:
        time.sleep(_NEXT_RUN_S)
        with suppress(RedisFailure, redis.RedisError), connect(address) as client:
            found = client.hget(keys.RUN, "run_id")
            if found not in (None, run_id):
                _log.info("run %s has taken the place of run %s", found, run_id)
                return


def _run_through_outages(
    main: Callable[[], None], lease: Lease, state: RedisState, health: Health
) -> None:
    """Call `main` until it returns: again after each outage of Redis."""
    pause, stale = _FIRST_PAUSE_S, 0
    while True:
        began = time.monotonic()
        try:
            main()
            return
        except (RedisFailure, redis.RedisError) as error:
            if time.monotonic() - began > _STABLE_S:
                pause, stale = _FIRST_PAUSE_S, 0
            if isinstance(error, StaleState) and stale < _MAX_STALE:
                stale += 1
                _log.warning("%s: resuming from what Redis holds", error)
            elif is_outage(cause := _cause(error, redis.RedisError)):
                state.lost(cause or error)
            else:
                raise
        gc.collect()  # clients of the last call may hold buffers
        while True:
            health.beat()
            time.sleep(pause)
            pause = min(2 * pause, _LAST_PAUSE_S)
            try:
                lease.renew()
            except redis.RedisError as error:
                if not is_outage(error):
                    raise
                state.lost(error)
            else:
                state.back()
                break


def _leave(exit_code: int) -> NoReturn:
    """Exit without waiting for threads of libraries.

    Those of Bytewax, after it has lost another process, abort a Python that finalizes.
    """
    logging.shutdown()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(exit_code)


def end_at_once() -> None:
    """From now on, end at once when told to: the main thread runs code that no exception may leave.

    The lease of the process then expires.
    """
    _ending.at_once = True


def end_process(error: RushhourError) -> None:
    """Log an error and end the process with its exit code, from another thread than the main one.

    The main thread has some seconds to end by itself.
    """
    _ending.because(error)


def causes(error: BaseException) -> Iterator[BaseException]:
    """Yield an error and its causes, the last one raised first; each once, for one may recur."""
    current: BaseException | None = error
    seen: set[int] = set()
    while current is not None and id(current) not in seen:
        seen.add(id(current))
        yield current
        current = current.__cause__ or current.__context__


def _cause(error: BaseException, kind: type[E]) -> E | None:
    """Return the first of the causes that is of a kind: libraries such as Bytewax wrap errors."""
    return next((cause for cause in causes(error) if isinstance(cause, kind)), None)
