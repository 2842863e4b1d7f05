"""Where a run is, for a person: its Redis, or the directory that it is saved in."""

import shlex
from urllib.parse import unquote, urlsplit

from rushhour.core.redis_address import RedisAddress
from rushhour.simulator.stack.open_run import OpenRun


def location_label(opened: OpenRun) -> str:
    """Return where a run was read from."""
    if opened.kind == "saved":
        return f"the saved run in {opened.state_dir}"
    return f"the live run at {opened.address}" if opened.kind == "live" else str(opened.address)


def redis_cli(address: RedisAddress) -> str:
    """Return the redis-cli command line for a Redis, without its password.

    >>> redis_cli(RedisAddress("redis://127.0.0.1:6380"))
    'redis-cli -p 6380'
    >>> redis_cli(RedisAddress("unix:///tmp/rushhour/redis.sock"))
    'redis-cli -s /tmp/rushhour/redis.sock'
    >>> redis_cli(RedisAddress("redis://:secret@example.org:6379/2"))
    'redis-cli -u redis://:***@example.org:6379/2'
    """
    parts = urlsplit(address.url)
    if parts.scheme == "unix" and not parts.query:
        return f"redis-cli -s {shlex.quote(unquote(parts.path))}"
    is_plain = not (parts.path.strip("/") or parts.query or parts.username or parts.password)
    if parts.scheme == "redis" and parts.hostname == "127.0.0.1" and is_plain:
        return f"redis-cli -p {parts.port or 6379}"
    return f"redis-cli -u {address.masked_url}"
