"""How every process connects to Redis."""

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, cast
from weakref import WeakSet

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from rushhour.core.errors import RedisFailure
from rushhour.core.redis_address import RedisAddress
from rushhour.core.redis_url import check_redis_url
from rushhour.runtime.failpoints import limit
from rushhour.runtime.redis_prefix import client_of

_CONNECT_S = 5.0
_WITH_PASSWORD = "redis://:PASSWORD@HOST:PORT or redis://USER:PASSWORD@HOST:PORT"
# Long enough for a Redis that is writing a large dump.
_ANSWER_S = limit("redis.answer.seconds", 30.0)
_LOAD_S = 60.0  # how long a server that loads its data is waited for
_POLL_S = 0.1


def connect(
    server: RedisAddress | str,
    key_prefix: str = "",
    *,
    answer_s: float = _ANSWER_S,
    reconnect: bool = True,
    once: bool = False,
) -> redis.Redis:
    """Return a client of the server at an address or a URL, after a first ping.

    With a key prefix, that of the address or the one beside a URL, the client adds it to each key
    of a command and removes it from replies: see `rushhour.runtime.redis_prefix`.

    Bytes that are not UTF-8 are read as escapes, so that no foreign key or value can stop a reader.

    Parameters
    ----------
    server, key_prefix
        Address of the run, or a URL and the prefix.
    answer_s
        How long an answer is waited for.
    reconnect
        Repeat a command whose connection was lost, on a new one.
    once
        Make each connection once: one that was lost raises at its next use, even if it was idle.
        For a process that relies on what it has written: the server may have lost it.

    Raises
    ------
    UsageError
        If the URL is invalid.
    RedisFailure
        If nothing answers there, or the server refuses the client.
    """
    address = server if isinstance(server, RedisAddress) else RedisAddress(server, key_prefix)
    check_redis_url(address.url)
    options: dict[str, Any] = {}
    if once or not reconnect:
        options["retry"] = Retry(NoBackoff(), 0)
    if once:
        options["redis_connect_func"] = _ConnectOnce()
    with redis_failures(address):
        client = client_of(
            address,
            decode_responses=True,
            encoding_errors="backslashreplace",
            socket_connect_timeout=min(_CONNECT_S, answer_s),
            socket_timeout=answer_s,
            **options,
        )
        deadline = time.monotonic() + _LOAD_S
        while True:
            try:
                client.ping()
                return client
            except redis.BusyLoadingError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(_POLL_S)


class _ConnectOnce:
    """Refuses to open a connection again.

    The pool of the client does so by itself when it finds one closed that was idle.
    """

    def __init__(self) -> None:
        self._known: WeakSet[redis.Connection] = WeakSet()

    def __call__(self, connection: redis.Connection) -> None:
        if connection in self._known:
            raise redis.ConnectionError("the connection was lost")
        self._known.add(connection)
        connection.on_connect()  # type: ignore[no-untyped-call]


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
        elif "CERTIFICATE_VERIFY_FAILED" in problem:
            problem = f"{problem} Name its authority by ssl_ca_certs=FILE in the URL"
        raise RedisFailure(f"Redis at {RedisAddress.of(server)}: {problem}") from error
