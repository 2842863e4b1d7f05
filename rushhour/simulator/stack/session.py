"""The last run on this machine: the servers of a live one, the dump of a saved one."""

import json
import os
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import redis

from rushhour.core import keys
from rushhour.core.errors import RedisFailure, StackError
from rushhour.core.redis_address import RedisAddress
from rushhour.core.redis_url import MASK, mask_url
from rushhour.core.settings import Settings
from rushhour.runtime.redis_client import connect, redis_failures
from rushhour.simulator.stack.redis_binary import RedisBinary

_FILE = "session.json"
_PRIVATE = 0o600


@dataclass(frozen=True, slots=True)
class Session:
    """A run that was started here: its process, its servers, and what saved its Redis.

    `saved_by` is the redis-server that wrote the dump of the state directory: of this run or, until
    it is saved, of an earlier one. None if there is no dump.
    """

    pid: int
    run_id: str
    redis_url: str
    kafka: str
    key_prefix: str = ""
    saved_by: RedisBinary | None = None

    def save(self, state_dir: Path) -> None:
        """Write the session to the state directory, without the password of Redis.

        Raises
        ------
        StackError
            If the directory cannot be written.
        """
        temporary = state_dir / f"{_FILE}.tmp"
        try:
            temporary.touch(_PRIVATE)
            kept = replace(self, redis_url=mask_url(self.redis_url))
            temporary.write_text(json.dumps(asdict(kept)), "utf-8")
            temporary.replace(state_dir / _FILE)
        except OSError as error:
            raise StackError(f"state directory {state_dir}: {error.strerror}") from None

    @classmethod
    def load(cls, state_dir: Path) -> "Session | None":
        """Return the session of the last run; None if there is none."""
        try:
            fields = json.loads((state_dir / _FILE).read_text("utf-8"))
            saved_by = fields.pop("saved_by")
            return cls(**fields, saved_by=RedisBinary(**saved_by) if saved_by else None)
        except (OSError, ValueError, TypeError, KeyError, AttributeError):
            return None

    @property
    def redis_address(self) -> RedisAddress:
        """The Redis of the run."""
        return RedisAddress(self.redis_url, self.key_prefix)

    @property
    def lacks_password(self) -> bool:
        """Whether Redis needs a password, which is not kept in the file."""
        return MASK in self.redis_url

    def is_alive(self) -> bool:
        """Whether the process that started the run is alive, and Redis still holds the run.

        The latter is unknown without a password.
        """
        if self.pid == os.getpid():
            return False
        try:
            os.kill(self.pid, 0)
        except ProcessLookupError:
            return False
        except PermissionError:
            return True
        return self.lacks_password or self.client() is not None

    def client(self) -> redis.Redis | None:
        """Return a client of the run's Redis if it still answers and holds this run.

        Raises
        ------
        RedisFailure
            If Redis needs a password.
        """
        if self.lacks_password:
            raise RedisFailure(
                f"the last run is in Redis at {self.redis_address}, whose password is not stored: "
                f"pass its URL as {Settings.env_name('redis')} or {Settings.flag_name('redis')}"
            )
        try:
            client = connect(self.redis_address)
            with redis_failures(self.redis_address):
                return client if client.hget(keys.RUN, "run_id") == self.run_id else None
        except RedisFailure:
            return None


def open_state_dir(settings: Settings) -> Path:
    """Return the state directory, created if it does not exist.

    Raises
    ------
    StackError
        If another run is live in it, or it cannot be written.
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
            f"Redis {session.redis_address}): "
            "stop it first, or give this one another --state-dir"
        )
    return directory
