"""What the clock hash `sim:clock` says, for the parts that write it and those that read it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, cast

import redis

from core import keys
from core.hours import HOUR_MS, clock_label
from core.redis_client import read_hash, write_hash
from core.run import RunInfo

State = Literal["starting", "running", "throttled", "paused", "stopped", "finished"]


@dataclass(frozen=True, slots=True)
class ClockStatus:
    """Where the replay stands.

    `now_ts` is the simulated time (epoch ms) up to which trips are on the stream. `throttled`
    means that the line is slower than the asked speed, so simulated time slows down;
    `stopped`, that the run was ended before its time.
    `command` is the id of the last command obeyed; `command_error` says why one was not.
    `speed_setting` is the speed that the replay was started with, before any command.
    """

    now_ts: int
    speed: str
    state: State
    trips: int
    command: str = "0-0"
    command_error: str = ""
    speed_setting: str = ""

    def save(self, client: redis.Redis) -> None:
        """Write the status to Redis."""
        fields = {
            "now": clock_label(self.now_ts),
            "now_ts": self.now_ts,
            "speed": self.speed,
            "state": self.state,
            "trips": self.trips,
            "command": self.command,
            "command_error": self.command_error,
            "speed_setting": self.speed_setting,
        }
        write_hash(client, keys.CLOCK, fields)

    @classmethod
    def load(cls, client: redis.Redis) -> "ClockStatus | None":
        """Read the status; None before the producer has begun."""
        return cls.of(read_hash(client, keys.CLOCK))

    @classmethod
    def of(cls, fields: Mapping[str, str]) -> "ClockStatus | None":
        """Take the status from the fields of `sim:clock`."""
        if "now_ts" not in fields:
            return None
        return cls(
            now_ts=int(fields["now_ts"]),
            speed=fields["speed"],
            state=fields["state"],  # type: ignore[arg-type]
            trips=int(fields["trips"]),
            command=fields["command"],
            command_error=fields["command_error"],
            speed_setting=fields.get("speed_setting", ""),
        )


def last_hour_closed(client: redis.Redis) -> int | None:
    """Return the last hour that the consumer has written (epoch ms); None before the first."""
    closed = cast(str | None, client.hget(keys.CLOCK, "last_hour_closed_ts"))
    return None if closed is None else int(closed)


def first_open_hour(client: redis.Redis, start_ts: int) -> int:
    """Return where a part takes up a run that begins at `start_ts`: after the last hour closed."""
    closed = last_hour_closed(client)
    return start_ts if closed is None else closed + HOUR_MS


def is_over(client: redis.Redis, run: RunInfo) -> bool:
    """Whether every hour of the run is closed: there is nothing left to do."""
    return first_open_hour(client, run.start_ts) >= run.end_ts
