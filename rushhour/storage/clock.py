"""The simulated clock in Redis, and how many hours of the run are closed."""

from typing import Any

import redis

from rushhour.core import keys
from rushhour.core.clock import ClockStatus
from rushhour.core.hours import HOUR_MS
from rushhour.core.run import RunInfo
from rushhour.runtime.redis_client import read_hash, write_hash


def save_status(client: redis.Redis, status: ClockStatus) -> None:
    """Write the status of the clock to `sim:clock`."""
    write_hash(client, keys.CLOCK, status.to_fields())


def load_status(client: redis.Redis) -> ClockStatus | None:
    """Read the status of the clock; None before the producer has started."""
    return ClockStatus.from_fields(read_hash(client, keys.CLOCK))


def last_hour_closed(client: redis.Redis) -> int | None:
    """Return the last hour that is closed for the city (epoch ms); None before the first.

    On a pipeline, queue `xrevrange(keys.CITY_HOURLY, count=1)` and use `last_hour_of`.
    """
    return last_hour_of(client.xrevrange(keys.CITY_HOURLY, count=1))


def last_hour_of(entries: Any) -> int | None:
    """Return the hour (epoch ms) of the first of some entries of `city:hourly`; None if empty."""
    return hour_of_entry(entries[0][0]) if entries else None


def hour_of_entry(entry_id: str) -> int:
    """Return the hour (epoch ms) of an entry of `city:hourly`.

    >>> hour_of_entry("1727910000000-0")
    1727910000000
    """
    return int(entry_id.partition("-")[0])


def first_open_hour(client: redis.Redis, start_ts: int) -> int:
    """Return the hour at which a process resumes a run: the one after the last closed hour."""
    closed = last_hour_closed(client)
    return start_ts if closed is None else closed + HOUR_MS


def is_finished(client: redis.Redis, run: RunInfo) -> bool:
    """Return whether every hour of the run is closed."""
    return first_open_hour(client, run.start_ts) >= run.end_ts
