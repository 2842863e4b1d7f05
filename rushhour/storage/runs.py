"""The run that Redis holds, and where each of its topics starts."""

from typing import Any

import redis

from rushhour.core import keys
from rushhour.core.errors import RedisFailure, StackError
from rushhour.core.run import RunInfo
from rushhour.core.version import VERSION
from rushhour.runtime.redis_client import read_hash, write_hash

START_OVER = "start over with `rushhour prepare --new`"


def save_run(client: redis.Redis, run: RunInfo) -> None:
    """Write the run to Redis."""
    write_hash(client, keys.RUN, run.to_fields())


def find_run(client: redis.Redis) -> RunInfo | None:
    """Return the run that Redis holds; None if there is none.

    Raises
    ------
    RedisFailure
        If the description of the run cannot be read.
    """
    fields = read_hash(client, keys.RUN)
    if not fields:
        return None
    try:
        return RunInfo.from_fields(fields)
    except (KeyError, ValueError) as error:
        raise RedisFailure(
            f"'{keys.RUN}' of this Redis is not a run of rushhour {VERSION} "
            f"({type(error).__name__}: {error}): {START_OVER}"
        ) from None


def load_run(client: redis.Redis) -> RunInfo:
    """Return the run that Redis holds, to read it.

    Raises
    ------
    RedisFailure
        If this Redis holds no run, or one that cannot be read.
    """
    run = find_run(client)
    if run is None:
        if client.exists(keys.PREPARING):
            raise RedisFailure(
                "this Redis holds no run yet: `rushhour prepare` is at work, or was killed: wait "
                "for it, or run it again"
            )
        raise RedisFailure("this Redis holds no run: start one with `rushhour up`")
    return run


def join_run(client: redis.Redis) -> RunInfo:
    """Return the run that Redis holds, to take part in it as one of its processes.

    Raises
    ------
    RedisFailure
        If this Redis holds no run, or one that cannot be read or was damaged.
    StackError
        If another version of rushhour started the run: the results of two versions may differ.
    """
    run = load_run(client)
    damage: Any = client.hget(keys.RUN, keys.DAMAGE)
    if damage is not None:
        raise RedisFailure(f"a write to this run failed in part ({damage}): {START_OVER}")
    if run.version != VERSION:
        raise StackError(
            f"rushhour {run.version} started this run, and this is rushhour {VERSION}: "
            f"finish it with {run.version}, or {START_OVER}"
        )
    return run


def load_offsets(client: redis.Redis, topic: str) -> dict[int, int]:
    """Return the next offset to read of each partition of a topic.

    Raises
    ------
    RedisFailure
        If the run was not prepared for this topic.
    """
    found = {
        int(field.rpartition(":")[2]): int(offset)
        for field, offset in read_hash(client, keys.OFFSETS).items()
        if field.rpartition(":")[0] == topic
    }
    if not found:
        raise RedisFailure(f"Redis has no offsets for topic '{topic}': was the run prepared?")
    return found
