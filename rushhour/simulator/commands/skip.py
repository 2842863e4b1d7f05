"""`rushhour skip`: have a record passed over that stops a process."""

from datetime import datetime

import redis

from rushhour.core.errors import RedisFailure, UsageError
from rushhour.core.settings import Settings
from rushhour.core.topics import TRIPS, ZONE_TOPICS
from rushhour.simulator.commands.output import Output
from rushhour.simulator.documents import schema
from rushhour.simulator.stack.open_run import open_live_run
from rushhour.storage.clock import is_finished
from rushhour.storage.runs import load_offsets, load_run
from rushhour.storage.skips import RecordPosition, add_skip

# The process that reads a topic.
_READERS = {TRIPS: "dataflow"} | dict.fromkeys(ZONE_TOPICS, "consumer")


def skip(settings: Settings, output: Output, position: RecordPosition) -> None:
    """Record that a record is to be passed over, and print what to do next.

    Raises
    ------
    UsageError
        If no process will read that position.
    RedisFailure
        If no run is live, or it is finished.
    """
    _check(position)
    with open_live_run(settings) as opened:
        _check_ahead(opened.client, position)
        since = add_skip(opened.client, position)
    skipped = schema.Skipped(
        **position._asdict(),
        since=datetime.fromisoformat(since),
        restart=_READERS[position.topic],
    )
    if output.as_json:
        output.document(skipped)
        return
    output.show(
        f"{position} will be passed over and copied to dead_letters: now restart the "
        f"{skipped.restart} that reads partition {position.partition}. `rushhour verify` will "
        "name the record."
    )


def _check(position: RecordPosition) -> None:
    if position.topic not in _READERS:
        raise UsageError(f"topic '{position.topic}' is not read: use {', '.join(_READERS)}")
    for name in ("partition", "offset"):
        number = getattr(position, name)
        if number < 0:
            raise UsageError(f"{name} {number} is negative: use those that the log names")


def _check_ahead(client: redis.Redis, position: RecordPosition) -> None:
    """Refuse a record that nothing will read any more."""
    run = load_run(client)
    if is_finished(client, run):
        raise RedisFailure(f"run {run.run_id} is finished: nothing reads {position} any more")
    offsets = load_offsets(client, position.topic)
    first = offsets.get(position.partition)
    if first is None:
        raise UsageError(
            f"topic '{position.topic}' has no partition {position.partition}: "
            f"it has {min(offsets)} to {max(offsets)}"
        )
    if position.offset < first:
        raise UsageError(
            f"{position} has been read: the run reads that partition from offset {first} on"
        )
