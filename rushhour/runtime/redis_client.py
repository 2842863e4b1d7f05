"""How every part connects to Redis."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, cast

import redis

from rushhour.core.errors import RedisFailure

_CONNECT_S = 5.0
_ANSWER_S = 30.0  # a Redis that writes a large dump may be slow, one that is gone is not


def connect(url: str) -> redis.Redis:
    """Return a client that has reached the server.

    Raises
    ------
    RedisFailure
        If the URL cannot be used or nothing answers there.
    """
    with redis_failures(url):
        try:
            client = redis.Redis.from_url(
                url,
                decode_responses=True,
                socket_connect_timeout=_CONNECT_S,
                socket_timeout=_ANSWER_S,
            )
        except ValueError as error:
            raise RedisFailure(f"Redis URL '{url}' cannot be used: {error}") from None
        client.ping()
        return client


def read_hash(client: redis.Redis, key: str) -> dict[str, str]:
    """Return a whole hash as text; empty if there is none."""
    return cast(dict[str, str], client.hgetall(key))


def write_hash(client: redis.Redis, key: str, fields: Mapping[Any, Any]) -> None:
    """Set fields of a hash; on a pipeline, queue it.

    Straight to the protocol: redis-py's `hset` costs several times more a call.
    """
    flat = [item for pair in fields.items() for item in pair]
    client.execute_command("HSET", key, *flat)  # type: ignore[no-untyped-call]


@contextmanager
def redis_failures(url: str) -> Iterator[None]:
    """Turn a failure of the Redis client into one line for the user."""
    try:
        yield
    except redis.RedisError as error:
        raise RedisFailure(f"Redis at {url}: {error}") from error
