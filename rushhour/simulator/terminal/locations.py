"""Where a run is, for a person: its Redis, or the directory that it is saved in."""

from urllib.parse import urlsplit

from rushhour.core.redis_url import mask_password
from rushhour.simulator.stack.open_run import OpenRun


def location_label(opened: OpenRun) -> str:
    """Return where a run was read from."""
    if opened.kind == "saved":
        return f"the saved run in {opened.state_dir}"
    url = mask_password(opened.url)
    return f"the live run at {url}" if opened.kind == "live" else url


def redis_cli(url: str) -> str:
    """Return the redis-cli command line for a Redis URL, without its password.

    >>> redis_cli("redis://127.0.0.1:6380")
    'redis-cli -p 6380'
    >>> redis_cli("redis://:secret@example.org:6379/2")
    'redis-cli -u redis://:***@example.org:6379/2'
    """
    parts = urlsplit(url)
    is_plain = not (parts.path.strip("/") or parts.query or parts.username or parts.password)
    if parts.scheme == "redis" and parts.hostname == "127.0.0.1" and is_plain:
        return f"redis-cli -p {parts.port or 6379}"
    return f"redis-cli -u {mask_password(url)}"
