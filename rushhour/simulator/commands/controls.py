"""`rushhour speed`, `pause`, `resume`: command the simulated clock and wait until it obeys."""

import time
from typing import Any, cast

import redis

from rushhour.core import keys
from rushhour.core.clock import ClockStatus, Command
from rushhour.core.errors import RedisFailure, UsageError
from rushhour.core.hours import clock_label
from rushhour.core.settings import Settings
from rushhour.simulator.commands.output import Output
from rushhour.simulator.documents.run import clock_document
from rushhour.simulator.stack.open_run import open_live_run
from rushhour.storage.clock import load_status

_PATIENCE_S = 3.0
_KEEP = 1000


def control(settings: Settings, output: Output, command: Command) -> None:
    """Send a command to the clock of a live run, and print the clock afterwards."""
    with open_live_run(settings) as opened:
        clock = send_command(opened.client, command)
    if output.as_json:
        output.document(clock_document(clock))
    else:
        output.show(f"{clock.state} at {clock.speed}, simulated {clock_label(clock.now_ts)}")


def send_command(client: redis.Redis, command: Command) -> ClockStatus:
    """Append a command, wait for the replay to obey it, and return the clock after it.

    Raises
    ------
    RedisFailure
        If the replay has finished, or does not answer.
    UsageError
        If the replay refused the command.
    """
    status = load_status(client)
    if status is not None and status.has_ended:
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
        f"no replay answered within {_PATIENCE_S:.0f} s: is `rushhour up` running on this Redis?"
    )


def _order(entry_id: str) -> tuple[int, int]:
    ms, _, seq = entry_id.partition("-")
    return int(ms), int(seq or 0)
