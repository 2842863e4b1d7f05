"""Open the Redis of a run to read it: a given one, that of the live run, or a saved one."""

import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeVar

import redis

from rushhour.core.errors import RedisFailure
from rushhour.core.redis_address import RedisAddress
from rushhour.core.settings import Settings
from rushhour.runtime.redis_client import connect, redis_failures
from rushhour.simulator.stack.redis_server import DUMP, EmbeddedRedis, port_for_clients
from rushhour.simulator.stack.session import Session
from rushhour.storage.clock import load_status
from rushhour.storage.runs import load_run

_HINT = "start one with `rushhour up`, or pass its Redis URL as --redis"

Kind = Literal["live", "saved", "given"]
_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class OpenRun:
    """The Redis of a run.

    `kind` is `given` for the Redis of `--redis`, `live` for a run of this machine whose Redis
    answers, and `saved` for a run of the state directory, which is served from a copy meanwhile.
    """

    client: redis.Redis
    address: RedisAddress
    kind: Kind
    state_dir: Path


@contextmanager
def open_run(settings: Settings, *, for_clients: bool = False) -> Iterator[OpenRun]:
    """Yield the run of `--redis`, else the live run, else the saved one.

    A saved run is served on a socket, or with `for_clients` where other programs find it.

    Raises
    ------
    RedisFailure
        If there is no run, or its Redis fails.
    StackError
        If the saved run cannot be loaded.
    """
    given = settings.redis_address
    if given is not None:
        with redis_failures(given):
            yield OpenRun(connect(given), given, "given", settings.state_dir)
        return
    session = Session.load(settings.state_dir)
    live = session.client() if session is not None else None
    if session is not None and live is not None:
        with redis_failures(session.redis_address):
            yield OpenRun(live, session.redis_address, "live", settings.state_dir)
        return
    with _serve_saved(settings, session, for_clients=for_clients) as server:
        saved = RedisAddress(server.url)
        with redis_failures(saved):
            yield OpenRun(connect(saved), saved, "saved", settings.state_dir)


@contextmanager
def _serve_saved(
    settings: Settings, session: Session | None, *, for_clients: bool
) -> Iterator[EmbeddedRedis]:
    """Yield a Redis with a copy of the saved run: whatever is written to it is lost."""
    dump = settings.state_dir / DUMP
    if not dump.exists():
        raise RedisFailure(f"no run found: {_HINT}")
    with tempfile.TemporaryDirectory(prefix="rushhour-") as directory:
        shutil.copy(dump, directory)
        saved_by = session.saved_by if session is not None else None
        port = port_for_clients(settings.redis_port, saved_by) if for_clients else None
        server = EmbeddedRedis(Path(directory), port, saved=True, saved_by=saved_by)
        try:
            yield server
        finally:
            server.stop(save=False)


@contextmanager
def open_live_run(settings: Settings) -> Iterator[OpenRun]:
    """Yield a run whose Redis is up.

    Raises
    ------
    RedisFailure
        If no run is live.
    """
    if settings.redis_address is None:
        session = Session.load(settings.state_dir)
        if session is None or session.client() is None:
            raise RedisFailure(f"no run is live: {_HINT}")
    with open_run(settings) as opened:
        yield opened


def follow_run(settings: Settings, follow: Callable[[OpenRun], _T]) -> _T:
    """Call `follow` with a run whose Redis is up; again, with the saved run, if that one ends.

    At the end of an embedded run its Redis is saved and stopped, often before a reader has seen
    the last hours.

    Raises
    ------
    RedisFailure
        If no run is live, or its Redis fails before the run has ended.
    """
    with open_live_run(settings) as live:
        run_id = load_run(live.client).run_id
        try:
            return follow(live)
        except redis.ConnectionError:
            if live.kind != "live":
                raise
            with open_run(settings) as saved:
                status = load_status(saved.client)
                # A run without a closed hour is not saved: the dump is of an earlier one.
                is_its_end = load_run(saved.client).run_id == run_id and status and status.has_ended
                if saved.kind != "saved" or not is_its_end:
                    raise
                return follow(saved)
