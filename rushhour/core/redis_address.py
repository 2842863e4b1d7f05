"""The address of a run in Redis: the URL of the server, and the prefix of the run's keys."""

import re
from dataclasses import dataclass

from rushhour.core import keys
from rushhour.core.errors import UsageError
from rushhour.core.redis_url import mask_url

_KEY_PREFIX = re.compile(r"[A-Za-z0-9._-]{0,50}")


@dataclass(frozen=True, slots=True, repr=False)
class RedisAddress:
    """The Redis of a run. Prints without the password of the URL.

    Parameters
    ----------
    url
        URL of the server, which may hold a password.
    key_prefix
        What stands before the keys of the run and a colon, such as `ann` for `ann:zone:132`;
        empty if nothing does.

    Examples
    --------
    >>> RedisAddress("redis://:secret@localhost:6379", "ann")
    RedisAddress('redis://:***@localhost:6379', 'ann')
    >>> print(RedisAddress("redis://:secret@localhost:6379", "ann"))
    redis://:***@localhost:6379 (keys ann:*)
    """

    url: str
    key_prefix: str = ""

    @classmethod
    def of(cls, server: "RedisAddress | str") -> "RedisAddress":
        """Return an address as it is, and that of a URL without a prefix."""
        return server if isinstance(server, RedisAddress) else cls(server)

    @property
    def masked_url(self) -> str:
        """The URL without its password."""
        return mask_url(self.url)

    @property
    def key_start(self) -> str:
        """What stands before each key: `ann:`, or nothing."""
        return f"{self.key_prefix}:" if self.key_prefix else ""

    def __repr__(self) -> str:
        return f"RedisAddress({self.masked_url!r}, {self.key_prefix!r})"

    def __str__(self) -> str:
        return f"{self.masked_url} (keys {self.key_start}*)" if self.key_prefix else self.masked_url


def check_key_prefix(name: str) -> str:
    """Return a key prefix as it is, if it can be one.

    No prefix holds a colon, and none is the first word of a key, so no two runs with different
    prefixes, and none without, have a key in common.

    Raises
    ------
    UsageError
        If it has other characters, is too long, or is the first word of a key.
    """
    if not _KEY_PREFIX.fullmatch(name):
        raise UsageError(
            f"key_prefix {name!r} is invalid: use up to 50 letters, digits, '.', '_' or '-'"
        )
    if keys.is_first_word(name):
        raise UsageError(f"key_prefix {name!r} is invalid: keys of runs without a prefix begin so")
    return name
