"""Records that a user has told the processes to pass over: `sim:skipped`."""

from datetime import UTC, datetime
from typing import NamedTuple

import redis

from rushhour.core import keys
from rushhour.runtime.redis_client import read_hash


class RecordPosition(NamedTuple):
    """Where a record is on Kafka."""

    topic: str
    partition: int
    offset: int

    def __str__(self) -> str:
        return f"topic '{self.topic}' partition {self.partition} offset {self.offset}"


def add_skip(client: redis.Redis, position: RecordPosition) -> str:
    """Pass over a record from the next start of its reader on.

    Returns
    -------
    str
        Since when it is to be passed over (RFC 3339), which may be before now.
    """
    moment = datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
    field = keys.record_field(*position)
    if client.hsetnx(keys.SKIPPED, field, moment):
        return moment
    return str(client.hget(keys.SKIPPED, field))


def load_skips(client: redis.Redis) -> dict[RecordPosition, str]:
    """Return the records to pass over, and when each was added (RFC 3339)."""
    found = {}
    for field, moment in read_hash(client, keys.SKIPPED).items():
        topic, partition, offset = field.rsplit(":", 2)
        found[RecordPosition(topic, int(partition), int(offset))] = moment
    return found
