"""The simulated clock in Redis, and how far the run is closed."""

from typing import cast

import redis

from rushhour.core import keys
from rushhour.core.clock import ClockStatus
from rushhour.core.hours import HOUR_MS
from rushhour.core.run import RunInfo
from rushhour.runtime.redis_client import read_hash, write_hash


def save_status(client: redis.Redis, status: ClockStatus) -> None:
    """Write what the clock says to `sim:clock`."""
    write_hash(client, keys.CLOCK, status.to_fields())


def load_status(client: redis.Redis) -> ClockStatus | None:
    """Read what the clock says; None before the producer has started."""
    return ClockStatus.from_fields(read_hash(client, keys.CLOCK))


def last_hour_closed(client: redis.Redis) -> int | None:
    """Return the last hour that the consumer has written (epoch ms); None before the first."""
    closed = cast(str | None, client.hget(keys.CLOCK, "last_hour_closed_ts"))
    return None if closed is None else int(closed)


def first_open_hour(client: redis.Redis, start_ts: int) -> int:
    """Return the hour from which a process resumes a run: after the last closed one."""
    closed = last_hour_closed(client)
    return start_ts if closed is None else closed + HOUR_MS


def is_finished(client: redis.Redis, run: RunInfo) -> bool:
    """Whether every hour of the run is closed."""
    return first_open_hour(client, run.start_ts) >= run.end_ts
