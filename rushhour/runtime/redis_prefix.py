"""A Redis client that keeps the keys of a run apart from all others by a prefix.

Several runs can share one Redis this way. The client knows where the keys are in each command that
rushhour sends, and refuses all other commands: a key without its prefix would be that of another
run.
"""

from collections.abc import Callable, Mapping
from typing import Any, cast

import redis
from redis.client import Pipeline

from rushhour.core.redis_address import RedisAddress

_Args = tuple[Any, ...]
_Prefixed = Callable[[Any], Any]


def _first(args: _Args, prefixed: _Prefixed) -> _Args:
    return (prefixed(args[0]), *args[1:])


def _all(args: _Args, prefixed: _Prefixed) -> _Args:
    return tuple(map(prefixed, args))


def _none(args: _Args, _: _Prefixed) -> _Args:
    return args


def _of_script(args: _Args, prefixed: _Prefixed) -> _Args:
    """Script, number of keys, keys, arguments."""
    end = 2 + int(args[1])
    return (*args[:2], *map(prefixed, args[2:end]), *args[end:])


def _of_streams(args: _Args, prefixed: _Prefixed) -> _Args:
    """Options, the word STREAMS, keys, and as many ids."""
    start = [_word(arg) for arg in args].index("STREAMS") + 1
    end = start + (len(args) - start) // 2
    return (*args[:start], *map(prefixed, args[start:end]), *args[end:])


def _of_scan(args: _Args, prefixed: _Prefixed) -> _Args:
    """Cursor, then options by name. Without a pattern, all keys with the prefix are meant."""
    names = [_word(arg) for arg in args[1::2]]
    if "MATCH" not in names:
        return (*args, "MATCH", prefixed("*"))
    pattern = 2 + 2 * names.index("MATCH")
    return (*args[:pattern], prefixed(args[pattern]), *args[pattern + 1 :])


# Where the keys of a command are, among its arguments.
COMMANDS: Mapping[str, Callable[[_Args, _Prefixed], _Args]] = {
    **dict.fromkeys(
        (
            *("GET", "SET", "INCR", "INCRBY", "STRLEN", "TYPE"),
            *("EXPIRE", "PEXPIRE", "PERSIST", "TTL", "PTTL"),
            *("HGET", "HGETALL", "HMGET", "HSET", "HSETNX", "HDEL", "HEXISTS", "HKEYS", "HVALS"),
            *("HLEN", "HINCRBY", "HSCAN"),
            *("ZADD", "ZREM", "ZCARD", "ZCOUNT", "ZSCORE", "ZMSCORE", "ZRANK", "ZREVRANK"),
            *("ZRANGE", "ZREVRANGE", "ZRANGEBYSCORE", "ZREVRANGEBYSCORE", "ZSCAN"),
            *("XADD", "XDEL", "XLEN", "XRANGE", "XREVRANGE", "XTRIM"),
            *("SADD", "SREM", "SCARD", "SISMEMBER", "SMEMBERS", "MEMORY USAGE", "XINFO STREAM"),
        ),
        _first,
    ),
    **dict.fromkeys(("DEL", "EXISTS", "MGET", "TOUCH", "UNLINK", "WATCH"), _all),
    **dict.fromkeys(
        ("INFO", "PING", "SCRIPT EXISTS", "SCRIPT LOAD", "TIME", "UNWATCH", "WAIT", "WAITAOF"),
        _none,
    ),
    **dict.fromkeys(("EVAL", "EVALSHA"), _of_script),
    "SCAN": _of_scan,
    "XREAD": _of_streams,
}


def with_prefix(command: _Args, key_start: str) -> _Args:
    """Return a command with `key_start` before each of its keys.

    Raises
    ------
    redis.DataError
        If the command is none of `COMMANDS`.
    """
    find = COMMANDS.get(_word(command[0]))
    if find is None:
        raise redis.DataError(
            f"{command[0]} cannot be used with a key prefix: it is not known where its keys are"
        )

    def prefixed(key: Any) -> Any:
        return key_start.encode() + key if isinstance(key, bytes) else f"{key_start}{key}"

    return (command[0], *find(command[1:], prefixed))


def _word(word: Any) -> str:
    """Return a command or an option of one as upper-case text."""
    return (word.decode() if isinstance(word, bytes) else str(word)).upper()


# These replies hold keys. A pipeline refuses their commands, as its replies come unparsed.
_KEYS_IN_REPLY = ("SCAN", "XREAD")


class PrefixedPipeline(Pipeline):
    """A pipeline whose commands have the keys of a run with a prefix."""

    key_start: str

    def execute_command(self, *args: Any, **options: Any) -> Any:
        """Queue a command, or send it while keys are watched.

        Raises
        ------
        redis.DataError
            If the positions of its keys are not known, or its reply would hold keys.
        """
        if _word(args[0]) in _KEYS_IN_REPLY:
            raise redis.DataError(f"{args[0]} cannot be used in a pipeline with a key prefix")
        prefixed = with_prefix(args, self.key_start)
        return super().execute_command(*prefixed, **options)  # type: ignore[no-untyped-call]


class PrefixedRedis(redis.Redis):
    """A client that adds a prefix to the keys of each command, and removes it from replies.

    Lua scripts must name their keys in `KEYS` and never in `ARGV`.
    """

    key_start: str

    def execute_command(self, *args: Any, **options: Any) -> Any:
        """Send a command and return its reply.

        Raises
        ------
        redis.DataError
            If the positions of its keys are not known: see `COMMANDS`.
        """
        prefixed = with_prefix(args, self.key_start)
        reply = super().execute_command(*prefixed, **options)  # type: ignore[no-untyped-call]
        command = _word(args[0])
        if command == "SCAN":
            cursor, found = reply
            return cursor, [self._without_prefix(key) for key in found]
        if command == "XREAD" and reply:
            if isinstance(reply, dict):
                return {self._without_prefix(key): entries for key, entries in reply.items()}
            return [[self._without_prefix(key), entries] for key, entries in reply]
        return reply

    def pipeline(self, transaction: bool = True, shard_hint: Any = None) -> Pipeline:
        """Return a pipeline whose commands have keys with the same prefix."""
        pipeline = PrefixedPipeline(
            self.connection_pool, self.response_callbacks, transaction, shard_hint
        )
        pipeline.key_start = self.key_start
        return pipeline

    def _without_prefix(self, key: str | bytes) -> str | bytes:
        if isinstance(key, bytes):
            return key.removeprefix(self.key_start.encode())
        return key.removeprefix(self.key_start)


def client_of(address: RedisAddress, **options: Any) -> redis.Redis:
    """Return a client of the server at an address, with the given options of `redis.Redis`.

    Without a key prefix, it is a plain one.

    Raises
    ------
    ValueError
        If the URL is invalid.
    """
    if not address.key_prefix:
        return redis.Redis.from_url(address.url, **options)
    client = cast(PrefixedRedis, PrefixedRedis.from_url(address.url, **options))
    client.key_start = address.key_start
    return client
