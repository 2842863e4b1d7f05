"""Live controls: give a command to the replay and wait until it obeys."""

import time
from typing import Any, cast

import redis

from rushhour.core import keys
from rushhour.core.clock import ClockStatus, Command
from rushhour.core.errors import RedisFailure, UsageError
from rushhour.storage.clock import load_status

_PATIENCE_S = 3.0
_KEEP = 1000


def give(client: redis.Redis, command: Command) -> ClockStatus:
    """Append a command, wait for the replay to obey, and return the clock after it.

    Raises
    ------
    RedisFailure
        If the replay has finished, or does not answer.
    UsageError
        If the replay refused the command.
    """
    status = load_status(client)
    if status is not None and status.state in {"finished", "stopped"}:
        raise RedisFailure(f"the replay has {status.state}: there is no clock left to command")
    fields: dict[Any, Any] = dict(command.to_fields())
    command_id = cast(str, client.xadd(keys.COMMANDS, fields, maxlen=_KEEP))
    deadline = time.monotonic() + _PATIENCE_S
    while time.monotonic() < deadline:
        status = load_status(client)
        if status is not None and _order(status.command) >= _order(command_id):
            if status.command == command_id and status.command_error:
                raise UsageError(status.command_error)
            return status
        time.sleep(0.02)
    raise RedisFailure(
        f"no replay obeyed within {_PATIENCE_S:.0f} s: is `rushhour up` running on this Redis?"
    )


def _order(entry_id: str) -> tuple[int, int]:
    ms, _, seq = entry_id.partition("-")
    return int(ms), int(seq or 0)
