"""The simulated clock in Redis, and how many hours of the run are closed."""

from typing import Any

import redis

from rushhour.core import keys
from rushhour.core.clock import ClockStatus
from rushhour.core.errors import RedisFailure
from rushhour.core.hours import HOUR_MS, floor_hour, hour_label
from rushhour.core.run import RunInfo
from rushhour.core.zones import ZONE_COUNT
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


def simulated_ts(status: ClockStatus, last_closed: int | None) -> int:
    """Return simulated time (epoch ms), at least the end of the last closed hour.

    The producer updates its clock less often than the consumer closes hours.
    """
    return max(status.now_ts, 0 if last_closed is None else last_closed + HOUR_MS)


def check_entry(entry_id: str, run: RunInfo) -> int:
    """Return the hour (epoch ms) of an entry of `city:hourly`, if a consumer of the run wrote it.

    Raises
    ------
    RedisFailure
        If it is not an hour of the run. Any client may have written it.
    """
    hour, _, number = entry_id.partition("-")
    if number == "0" and int(hour) in range(run.start_ts, run.end_ts, HOUR_MS):
        return int(hour)
    raise RedisFailure(
        f"stream '{keys.CITY_HOURLY}' holds an entry that is not an hour of the run: delete it "
        f"(`redis-cli XDEL {keys.CITY_HOURLY} {entry_id}`) and restart the processes"
    )


def first_open_hour(client: redis.Redis, run: RunInfo) -> int:
    """Return the hour at which a process resumes a run: the one after the last closed hour.

    Raises
    ------
    RedisFailure
        If the last entry of `city:hourly` is not an hour of the run.
    """
    entries: Any = client.xrevrange(keys.CITY_HOURLY, count=1)
    return check_entry(entries[0][0], run) + HOUR_MS if entries else run.start_ts


def is_settled(client: redis.Redis, run: RunInfo, now_ts: int) -> bool:
    """Return whether all is written that follows from the ticks up to an instant (epoch ms).

    These are the hours before it and their forecasts, and the forecast of the first hour.

    Raises
    ------
    RedisFailure
        If the last entry of `city:hourly` is not an hour of the run.
    """
    first_open = first_open_hour(client, run)
    if first_open == run.start_ts:
        forecast = client.hlen(keys.predictions(hour_label(run.start_ts)))
        if forecast < ZONE_COUNT:
            return False
    return first_open >= floor_hour(now_ts)


def is_finished(client: redis.Redis, run: RunInfo) -> bool:
    """Return whether every hour of the run is closed.

    Raises
    ------
    RedisFailure
        If the last entry of `city:hourly` is not an hour of the run.
    """
    return first_open_hour(client, run) >= run.end_ts
