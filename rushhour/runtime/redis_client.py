"""How every process connects to Redis."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, cast

import redis

from rushhour.core.errors import RedisFailure
from rushhour.core.redis_address import RedisAddress
from rushhour.core.redis_url import mask_password
from rushhour.runtime.failpoints import limit
from rushhour.runtime.redis_prefix import client_of

_CONNECT_S = 5.0
_WITH_PASSWORD = "redis://:PASSWORD@HOST:PORT or redis://USER:PASSWORD@HOST:PORT"
_ANSWER_S = limit(
    "redis.answer.seconds", 30.0
)  # long enough for a Redis that is writing a large dump


def connect(server: RedisAddress | str, key_prefix: str = "") -> redis.Redis:
    """Return a client of the server at an address or a URL, after a first ping.

    With a key prefix, that of the address or the one beside a URL, the client adds it to each key
    of a command and removes it from replies: see `rushhour.runtime.redis_prefix`.

    Raises
    ------
    RedisFailure
        If the URL is invalid, nothing answers there, or the server refuses the client.
    """
    address = server if isinstance(server, RedisAddress) else RedisAddress(server, key_prefix)
    with redis_failures(address):
        try:
            client = client_of(
                address,
                decode_responses=True,
                socket_connect_timeout=_CONNECT_S,
                socket_timeout=_ANSWER_S,
            )
        except ValueError as error:
            raise RedisFailure(
                f"Redis URL '{address.masked_url}' is invalid: {mask_password(str(error))}"
            ) from None
        client.ping()
        return client


def read_hash(client: redis.Redis, key: str) -> dict[str, str]:
    """Return a whole hash as text; empty if the key does not exist."""
    return cast(dict[str, str], client.hgetall(key))


def write_hash(client: redis.Redis, key: str, fields: Mapping[Any, Any]) -> None:
    """Set fields of a hash; on a pipeline, queue the command.

    Sends the command itself, because `hset` of redis-py costs several times more per call.
    """
    flat = [item for pair in fields.items() for item in pair]
    client.execute_command("HSET", key, *flat)  # type: ignore[no-untyped-call]


@contextmanager
def redis_failures(server: RedisAddress | str) -> Iterator[None]:
    """Turn a failure of the Redis client into one line for the user, without the password.

    Raises
    ------
    RedisFailure
        If the block raises an error of the client.
    """
    try:
        yield
    except redis.RedisError as error:
        problem = str(error)
        if isinstance(error, redis.AuthenticationError):
            wrong = "invalid username-password" in problem
            problem = "wrong user name or password" if wrong else "a password is required"
            problem = f"{problem}: write the URL as {_WITH_PASSWORD}"
        raise RedisFailure(f"Redis at {RedisAddress.of(server)}: {problem}") from error
