"""Send commands to the simulated clock of a run, and learn what became of them."""

import time
from typing import Any, cast

import redis

from rushhour.core import keys
from rushhour.core.clock import ClockStatus, Command, CommandResult
from rushhour.core.entry_ids import entry_order
from rushhour.core.errors import RedisFailure, UsageError
from rushhour.storage.clock import load_status

_PATIENCE_S = 3.0
_START_S = 60.0  # for a producer that is being started
_POLL_S = 0.02
_KEEP = 1000


def send_command(client: redis.Redis, command: Command) -> ClockStatus:
    """Append a command, wait for the replay to obey it, and return the clock after it.

    Raises
    ------
    RedisFailure
        If the replay has finished, or does not answer.
    UsageError
        If the replay refused the command.
    """
    status, _ = send(client, command)
    return status


def send(client: redis.Redis, command: Command) -> tuple[ClockStatus, CommandResult]:
    """Do the same, and return what became of the command as well.

    Raises
    ------
    RedisFailure, UsageError
        As for `send_command`; or if so many commands came at once that its result is lost.
    """
    status = load_status(client)
    if status is not None and status.has_ended:
        raise RedisFailure(f"the replay has {status.state}: there is no clock left to command")
    command_id = append_command(client, command)
    sent_at = time.monotonic()
    patience_s = _PATIENCE_S
    while time.monotonic() < sent_at + patience_s:
        status = load_status(client)
        if status is not None and entry_order(status.command) >= entry_order(command_id):
            result = status.result_of(command_id)
            if result is None:
                raise RedisFailure(
                    f"{command}: too many other commands came at once to tell its result"
                )
            if result.error:
                raise UsageError(result.error)
            return status, result
        if status is not None and status.state == "starting":
            patience_s = _START_S
        time.sleep(_POLL_S)
    raise RedisFailure(
        f"no replay answered within {patience_s:.0f} s: is `rushhour up` running on this Redis?"
    )


def append_command(client: redis.Redis, command: Command) -> str:
    """Append a command, and return its id without waiting for the replay.

    Once `command` in `sim:clock` is that id or a later one, the status has its result.
    """
    fields: dict[Any, Any] = dict(command.to_fields())
    return cast(str, client.xadd(keys.COMMANDS, fields, maxlen=_KEEP))
