"""Keep a pipeline of your own in step with the simulated clock.

With `rushhour up --gate inference`, the clock passes an hour only once `inference` has acknowledged
it. A service that does its work for each hour is a loop::

    client = rushhour.connect("redis://127.0.0.1:6379")
    for hour in rushhour.gates.hours(client, "inference"):
        ...  # read the rides up to `hour`, predict the hour after it

`hour` is the start of a closed hour, as a UTC datetime. It is acknowledged when the body has ended
without an error. After a restart the loop goes on with the first hour that was not, so the body may
run again for an hour that it had done: at least once for each.
"""

from collections.abc import Iterator
from datetime import datetime
from typing import Any

import redis

from rushhour import views
from rushhour.core import keys
from rushhour.core.errors import RedisFailure
from rushhour.core.hours import HOUR_MS, to_datetime
from rushhour.core.run import RunInfo
from rushhour.storage import gate as stored
from rushhour.storage.clock import hour_of_entry, last_hour_closed, load_status
from rushhour.storage.runs import load_run

__all__ = ["acknowledge", "hours"]

_BLOCK_MS = 500


def acknowledge(client: redis.Redis, gate: str, hour: views.Hour = None) -> None:
    """Acknowledge a closed hour and all before it; without one, up to the last closed hour.

    To repeat it changes nothing.

    Raises
    ------
    UsageError
        If the run waits for no gate of that name, or the hour is not closed.
    RedisFailure
        If Redis holds no run, or no hour is closed yet.
    """
    load_run(client)
    stored.acknowledge(client, gate, views.hour_ts(hour))


def hours(client: redis.Redis, gate: str) -> Iterator[datetime]:
    """Yield each closed hour that a gate has not acknowledged, as they come, until the run ends.

    An hour is acknowledged when the next one is asked for.

    Raises
    ------
    UsageError
        If the run waits for no gate of that name.
    RedisFailure
        If Redis holds no run, or another one takes its place.
    """
    run = load_run(client)
    done: int | None = None
    while done is None or done + HOUR_MS < run.end_ts:
        if done is None:
            done = _acknowledged(client, gate, run)
            continue
        entries: Any = client.xread({keys.CITY_HOURLY: f"{done}-0"}, count=1, block=_BLOCK_MS)
        if entries:
            done = hour_of_entry(entries[0][1][0][0])
            yield to_datetime(done)
            stored.acknowledge(client, gate, done)
        elif _has_stopped(client, run):
            return


def _acknowledged(client: redis.Redis, gate: str, run: RunInfo) -> int | None:
    """Return the last hour that a gate has acknowledged; None while there is no producer yet."""
    clock = load_status(client)
    if clock is None or clock.state == "starting":
        client.xread({keys.CITY_HOURLY: "$"}, block=_BLOCK_MS)
        _has_stopped(client, run)
        return None
    status = stored.load_gate(client)
    stored.check_gate(status, gate)
    closed = last_hour_closed(client)
    # A gate that has never acknowledged one begins with the last closed hour.
    before = run.start_ts - HOUR_MS if closed is None else closed - HOUR_MS
    return status.acknowledged.get(gate, before)


def _has_stopped(client: redis.Redis, run: RunInfo) -> bool:
    if load_run(client).run_id != run.run_id:
        raise RedisFailure("another run has started on this Redis: start again for that one")
    status = load_status(client)
    return status is not None and status.state == "stopped"
