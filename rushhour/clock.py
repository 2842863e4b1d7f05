"""The simulated clock from Python: what time it is, and commands to it.

Each function takes a client of `rushhour.connect`. Without one, it asks the Redis of
`RUSHHOUR_REDIS`, else that of the run that `rushhour up` started last on this machine::

    import rushhour
    from rushhour import clock

    for hour in clock.step("6h"):
        print(hour.label, hour.rides, hour.error)
    rushhour.now()  # in the place of datetime.now(UTC)

An hour is text ('2024-10-14 06:00') or a `datetime`, which is UTC unless it has a zone. A command
that the clock refuses raises `UsageError` and changes nothing.
"""

from datetime import UTC, datetime

import redis

from rushhour.core.clock import ClockStatus, Command, CommandName
from rushhour.core.errors import RedisFailure
from rushhour.core.hours import floor_hour, to_datetime
from rushhour.core.settings import Settings
from rushhour.runtime.redis_client import connect
from rushhour.storage.clock import last_hour_closed, load_status, simulated_ts
from rushhour.storage.closed_hours import ClosedHour, follow_hours
from rushhour.storage.commands import send, send_command
from rushhour.storage.live_run import live_redis

__all__ = ["now", "pause", "resume", "seek", "speed", "step", "stop", "until"]


def now(client: redis.Redis | None = None) -> datetime:
    """Return simulated time, with the zone UTC: that up to which trips have been sent.

    Raises
    ------
    RedisFailure
        If there is no run, or its clock has not started.
    """
    client = _client_of(client)
    status = load_status(client)
    if status is None:
        raise RedisFailure("the simulated clock has not started yet")
    return to_datetime(simulated_ts(status, last_hour_closed(client)))


def step(length: str = "1h", client: redis.Redis | None = None) -> list[ClosedHour]:
    """Close exactly the next hours, as fast as possible, and stand still.

    Returns
    -------
    list of ClosedHour
        The hours, once they are scored.
    """
    client = _client_of(client)
    _, result = send(client, Command("step", length))
    assert result.target_ts is not None
    return list(follow_hours(client, floor_hour(result.now_ts), result.target_ts))


def until(hour: str | datetime, client: redis.Redis | None = None) -> ClockStatus:
    """Run to an hour at the present speed, and pause there; returns at once."""
    return _send("until", _text(hour), client)


def seek(hour: str | datetime, client: redis.Redis | None = None) -> ClockStatus:
    """Fast-forward to an hour, and go on as before; back, the run starts over. Returns at once."""
    return _send("seek", _text(hour), client)


def speed(value: str, client: redis.Redis | None = None) -> ClockStatus:
    """Change the speed: 'max', a factor such as '3600', or '6h/s'."""
    return _send("speed", value, client)


def pause(client: redis.Redis | None = None) -> ClockStatus:
    """Stop the clock."""
    return _send("pause", "", client)


def resume(client: redis.Redis | None = None) -> ClockStatus:
    """Let the clock run at its speed."""
    return _send("resume", "", client)


def stop(client: redis.Redis | None = None) -> ClockStatus:
    """End the run."""
    return _send("stop", "", client)


def _send(name: CommandName, value: str, client: redis.Redis | None) -> ClockStatus:
    return send_command(_client_of(client), Command(name, value))


def _text(hour: str | datetime) -> str:
    if isinstance(hour, str):
        return hour
    moment = hour.replace(tzinfo=UTC) if hour.tzinfo is None else hour.astimezone(UTC)
    return moment.isoformat()


def _client_of(client: redis.Redis | None) -> redis.Redis:
    if client is not None:
        return client
    settings = Settings.load()
    return connect(settings.redis_address or live_redis(settings.state_dir))
