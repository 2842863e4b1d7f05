"""The hour gate in Redis: who is awaited, acknowledgements, and the command of `--on-hour`."""

from typing import Any, cast

import redis

from rushhour.core import keys
from rushhour.core.errors import RedisFailure, UsageError
from rushhour.core.gate import Acknowledgement, GateStatus, HourCommand
from rushhour.core.hours import clock_label
from rushhour.runtime.redis_client import read_hash, write_hash
from rushhour.storage.clock import last_hour_closed

_KEEP = 10_000  # acknowledgements that wait for a producer which is away


def load_gate(client: redis.Redis) -> GateStatus:
    """Read who is awaited; a status without gates if the run waits for nobody."""
    return GateStatus.from_fields(read_hash(client, keys.GATE))


def acknowledge(client: redis.Redis, gate: str, hour_ts: int | None = None) -> str:
    """Acknowledge a closed hour (epoch ms), or without one the last closed hour.

    Returns
    -------
    str
        The id of the entry. It counts as soon as the producer has read it.

    Raises
    ------
    UsageError
        If the run waits for no gate of that name, or the hour is not closed.
    RedisFailure
        If no hour is closed.
    """
    check_gate(load_gate(client), gate)
    closed = last_hour_closed(client)
    if closed is None:
        raise RedisFailure("no hour is closed yet: there is nothing to acknowledge")
    hour_ts = closed if hour_ts is None else hour_ts
    if hour_ts > closed:
        raise UsageError(
            f"hour {clock_label(hour_ts)} is not closed yet: the last closed hour is "
            f"{clock_label(closed)}"
        )
    fields: dict[Any, Any] = dict(Acknowledgement(gate, hour_ts).to_fields())
    return cast(str, client.xadd(keys.ACKS, fields, maxlen=_KEEP))


def check_gate(status: GateStatus, gate: str) -> None:
    """Check that the run waits for a gate of that name.

    Raises
    ------
    UsageError
        If it does not.
    """
    if gate not in status.gates:
        known = f"it waits for {', '.join(status.gates)}" if status.gates else "it has no gates"
        raise UsageError(
            f"the run does not wait for a gate '{gate}': {known} (`rushhour up --gate {gate}`)"
        )


def save_hour_command(client: redis.Redis, command: HourCommand | None) -> None:
    """Write what the command of `--on-hour` does; None if it does not run."""
    if command is None:
        client.delete(keys.ON_HOUR)
    else:
        write_hash(client, keys.ON_HOUR, command.to_fields())


def load_hour_command(client: redis.Redis) -> HourCommand | None:
    """Read what the command of `--on-hour` does; None if it does not run."""
    return HourCommand.from_fields(read_hash(client, keys.ON_HOUR))
