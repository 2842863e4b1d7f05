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
_UNTIL_AWAITED_MS = 50  # the producer says soon after an hour was closed that it awaits a gate


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
    """Return the hour before the first that a gate has to acknowledge; None if that is not known.

    What the clock has passed without waiting, as on its way to `--start-at`, is none of its hours:
    predictions for the hours after those would come too late.
    """
    clock = load_status(client)
    if clock is None or clock.state == "starting":
        client.xread({keys.CITY_HOURLY: "$"}, block=_BLOCK_MS)
        _has_stopped(client, run)
        return None
    status = stored.load_gate(client)
    stored.check_gate(status, gate)
    if gate in status.acknowledged:
        return status.acknowledged[gate]
    if gate in status.awaited and status.hour_ts is not None:
        return status.hour_ts - HOUR_MS
    if clock.has_ended:
        closed = last_hour_closed(client)
        return run.start_ts - HOUR_MS if closed is None else closed - HOUR_MS
    # The clock waits for no hour yet: it is in the first, or on its way to the hour of --start-at.
    client.xread({keys.CITY_HOURLY: "$"}, block=_UNTIL_AWAITED_MS)
    _has_stopped(client, run)
    return None


def _has_stopped(client: redis.Redis, run: RunInfo) -> bool:
    if load_run(client).run_id != run.run_id:
        raise RedisFailure("another run has started on this Redis: start again for that one")
    status = load_status(client)
    return status is not None and status.state == "stopped"
