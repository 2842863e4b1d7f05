"""Redis URLs: which ones are accepted, and how they are printed."""

import re
from urllib.parse import urlsplit

from rushhour.core.errors import UsageError

SCHEMES = ("redis", "rediss", "unix")
_MASK = "***"
_EXPECTED = "use redis://HOST:PORT, redis://:PASSWORD@HOST:PORT, rediss://HOST:PORT or unix://PATH"
# Up to the last @, so that a password with reserved characters is masked as well.
_USER_INFO = re.compile(r"(?<=://)([^\s:@]*):\S*@")
_QUERY = re.compile(r"(?<=[?&]password=)[^&#\s]*")


def check_redis_url(url: str) -> str:
    """Return a Redis URL as it is, if the client can use it.

    Raises
    ------
    UsageError
        If the scheme is not one of `SCHEMES`, or the port is not a number. The message does not
        hold the password.
    """
    try:
        parts = urlsplit(url)
        valid = parts.scheme in SCHEMES and "://" in url and parts.port != 0
    except ValueError:
        valid = False
    if not valid:
        raise UsageError(f"redis '{mask_password(url)}' is not a Redis URL: {_EXPECTED}")
    return url


def mask_password(text: str) -> str:
    """Return a text with the password of a URL in it replaced.

    >>> mask_password("redis://:secret@localhost:6379/0")
    'redis://:***@localhost:6379/0'
    >>> mask_password("unix:///run/redis.sock?db=1&password=secret")
    'unix:///run/redis.sock?db=1&password=***'
    """
    return _QUERY.sub(_MASK, _USER_INFO.sub(rf"\1:{_MASK}@", text))
