"""The last run on this machine: the servers of a live one, the dump of a saved one."""

import json
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
from rushhour.simulator.stack.state_dir import write_private
from rushhour.storage.live_run import SESSION_FILE


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

        Only the user may read it.

        Raises
        ------
        StackError
            If the directory cannot be written.
        """
        kept = replace(self, redis_url=mask_url(self.redis_url))
        try:
            write_private(state_dir / SESSION_FILE, json.dumps(asdict(kept)).encode())
        except OSError as error:
            raise StackError(f"state directory {state_dir}: {error.strerror}") from None

    @classmethod
    def load(cls, state_dir: Path) -> "Session | None":
        """Return the session of the last run; None if there is none."""
        try:
            fields = json.loads((state_dir / SESSION_FILE).read_text("utf-8"))
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
