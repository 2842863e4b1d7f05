"""The run that Redis holds, and where each of its topics starts."""

import redis

from rushhour.core import keys
from rushhour.core.errors import RedisFailure
from rushhour.core.run import RunInfo
from rushhour.runtime.redis_client import read_hash, write_hash


def save_run(client: redis.Redis, run: RunInfo) -> None:
    """Write the run to Redis."""
    write_hash(client, keys.RUN, run.to_fields())


def load_run(client: redis.Redis) -> RunInfo:
    """Read the run from Redis.

    Raises
    ------
    RedisFailure
        If this Redis holds no run.
    """
    fields = read_hash(client, keys.RUN)
    if not fields:
        raise RedisFailure("this Redis holds no run: start one with `rushhour up`")
    return RunInfo.from_fields(fields)


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
