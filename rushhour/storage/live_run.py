"""Where the live run of this machine is: what `rushhour up` notes in its state directory."""

import json
from pathlib import Path

from rushhour.core.errors import RedisFailure
from rushhour.core.redis_address import RedisAddress
from rushhour.core.redis_url import MASK

SESSION_FILE = "session.json"


def live_redis(state_dir: Path) -> RedisAddress:
    """Return the Redis of the last run that was started with a state directory.

    Raises
    ------
    RedisFailure
        If there is none, or it has a password, which is not stored.
    """
    try:
        fields = json.loads((state_dir / SESSION_FILE).read_text("utf-8"))
        url, prefix = str(fields["redis_url"]), str(fields["key_prefix"])
    except (OSError, ValueError, TypeError, KeyError):
        raise RedisFailure(
            f"no run in {state_dir}: start one with `rushhour up`, or give the URL of its Redis as "
            "RUSHHOUR_REDIS"
        ) from None
    if MASK in url:
        raise RedisFailure(f"the password of Redis at {url} is not stored: set RUSHHOUR_REDIS")
    return RedisAddress(url, prefix)
