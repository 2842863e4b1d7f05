"""The timeline of a run in Redis, and what a run repeats of another one."""

import json
from collections.abc import Iterable
from dataclasses import asdict
from typing import Any, cast

import redis

from rushhour.core import keys
from rushhour.core.timeline import KEPT_ENTRIES, Schedule, TimelineEntry
from rushhour.runtime.redis_client import read_hash, write_hash

# Fields of `keys.REPEATED`.
_RUN_ID = "run_id"
_STOP_AT = "stop_at"
_COMMANDS = "commands"


def append_timeline(client: redis.Redis, entries: Iterable[TimelineEntry]) -> None:
    """Add commands to `sim:timeline`; on a pipeline, queue it."""
    for entry in entries:
        fields: dict[Any, Any] = dict(entry.to_fields())
        client.xadd(keys.TIMELINE, fields, maxlen=KEPT_ENTRIES, approximate=False)


def read_timeline(entries: Iterable[tuple[str, dict[str, str]]]) -> tuple[TimelineEntry, ...]:
    """Return the commands that entries of `sim:timeline` tell, without foreign entries."""
    found = []
    for _, fields in entries:
        try:
            found.append(TimelineEntry.from_fields(fields))
        except (KeyError, ValueError):
            continue
    return tuple(found)


def load_timeline(client: redis.Redis) -> tuple[TimelineEntry, ...]:
    """Return the commands that the clock of a run was given, the last ones if they are many."""
    return read_timeline(cast(Any, client.xrange(keys.TIMELINE)))


def save_schedule(client: redis.Redis, run_id: str, schedule: Schedule) -> None:
    """Have a run repeat another one, whose id is given."""
    write_hash(
        client,
        keys.REPEATED,
        {
            _RUN_ID: run_id,
            _STOP_AT: "" if schedule.stop_at is None else schedule.stop_at,
            _COMMANDS: json.dumps([asdict(entry) for entry in schedule.entries]),
        },
    )


def load_schedule(client: redis.Redis) -> Schedule:
    """Return what a run repeats of another one; nothing if it repeats none."""
    fields = read_hash(client, keys.REPEATED)
    if not fields:
        return Schedule()
    entries = tuple(TimelineEntry(**entry) for entry in json.loads(fields[_COMMANDS]))
    return Schedule(entries, int(fields[_STOP_AT]) if fields[_STOP_AT] else None)


def repeated_run(fields: dict[str, str]) -> str | None:
    """Return the id of the run that a run repeats, given the hash `sim:repeated`."""
    return fields.get(_RUN_ID)
