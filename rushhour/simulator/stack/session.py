"""The last run on this machine: where its Redis is, or where its data was saved."""

import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

import redis

from rushhour.core import keys
from rushhour.core.errors import RedisFailure, StackError
from rushhour.core.redis_url import mask_password
from rushhour.core.run import RunInfo
from rushhour.core.settings import Settings
from rushhour.runtime.redis_client import connect, redis_failures
from rushhour.simulator.stack.redis_server import ANY_PORT, DUMP, EmbeddedRedis

_FILE = "session.json"


@dataclass(frozen=True, slots=True)
class Session:
    """A run that was started here: the process that holds it, and its servers."""

    pid: int
    run_id: str
    redis_url: str
    kafka: str

    @classmethod
    def of(cls, run: RunInfo, redis_url: str, kafka: str) -> "Session":
        """Return the session of a run held by this process."""
        return cls(os.getpid(), run.run_id, redis_url, kafka)

    def save(self, state_dir: Path) -> None:
        """Remember the run.

        Raises
        ------
        StackError
            If the directory cannot be written.
        """
        temporary = state_dir / f"{_FILE}.tmp"
        try:
            temporary.write_text(json.dumps(asdict(self)), "utf-8")
            temporary.replace(state_dir / _FILE)
        except OSError as error:
            raise StackError(f"state directory {state_dir}: {error.strerror}") from None

    @classmethod
    def load(cls, state_dir: Path) -> "Session | None":
        """Return the last run, if there was one."""
        try:
            return cls(**json.loads((state_dir / _FILE).read_text("utf-8")))
        except (OSError, ValueError, TypeError):
            return None

    def is_alive(self) -> bool:
        """Whether the process that started the run still holds it."""
        if self.pid == os.getpid():
            return False
        try:
            os.kill(self.pid, 0)
        except ProcessLookupError:
            return False
        except PermissionError:
            return True
        return self.client() is not None

    def client(self) -> redis.Redis | None:
        """Return a client of the run's Redis if it still answers and holds this run."""
        try:
            client = connect(self.redis_url)
            with redis_failures(self.redis_url):
                return client if client.hget(keys.RUN, "run_id") == self.run_id else None
        except RedisFailure:
            return None


def open_state_dir(settings: Settings) -> Path:
    """Return the state directory, made if need be; refuse it while another run holds it.

    Raises
    ------
    StackError
        If a run is live, or the directory cannot be written.
    """
    directory = settings.state_dir
    try:
        directory.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StackError(f"state directory {directory}: {error.strerror}") from None
    session = Session.load(directory)
    if session is not None and session.is_alive():
        raise StackError(
            f"a run is live already (process {session.pid}, "
            f"Redis {mask_password(session.redis_url)}): "
            "stop it first, or give this one another --state-dir"
        )
    return directory


@contextmanager
def open_redis(settings: Settings) -> Iterator[redis.Redis]:
    """Yield a client of the run to look at: `--redis`, else the live run, else the saved one.

    Raises
    ------
    RedisFailure
        If there is no run to look at.
    """
    if settings.redis is not None:
        with redis_failures(settings.redis):
            yield connect(settings.redis)
        return
    session = Session.load(settings.state_dir)
    client = session.client() if session is not None else None
    if session is not None and client is not None:
        with redis_failures(session.redis_url):
            yield client
        return
    dump = settings.state_dir / DUMP
    if not dump.exists():
        raise RedisFailure("no run found: start one with `rushhour up`, or name its --redis")
    with tempfile.TemporaryDirectory(prefix="rushhour-") as directory:
        shutil.copy(dump, directory)
        server = EmbeddedRedis(Path(directory), ANY_PORT, saved=True)
        try:
            with redis_failures(server.url):
                yield connect(server.url)
        finally:
            server.stop(save=False)


@contextmanager
def open_live_redis(settings: Settings) -> Iterator[redis.Redis]:
    """Yield a client of a run that may still obey commands.

    Raises
    ------
    RedisFailure
        If no run is live.
    """
    if settings.redis is None:
        session = Session.load(settings.state_dir)
        if session is None or session.client() is None:
            raise RedisFailure("no run is live: start one with `rushhour up`, or name its --redis")
    with open_redis(settings) as client:
        yield client
