"""`rushhour redis`: send a command to the Redis of a run, or serve a saved one to clients."""

import time
from collections.abc import Sequence

import redis

from rushhour.core.errors import StackError, UsageError
from rushhour.core.labels import source_label
from rushhour.core.settings import Settings
from rushhour.simulator.commands.interrupts import Interrupts, deferred
from rushhour.simulator.commands.output import Output
from rushhour.simulator.documents import schema
from rushhour.simulator.documents.location import location_document
from rushhour.simulator.stack.open_run import OpenRun, open_run
from rushhour.simulator.terminal.locations import location_label, redis_cli
from rushhour.simulator.terminal.redis_reply import reply_lines
from rushhour.storage.runs import load_run

_POLL_S = 0.1


def serve(settings: Settings, output: Output) -> None:
    """Serve the saved run until Ctrl-C; for a run whose Redis is up, only print its address.

    Raises
    ------
    RedisFailure
        If there is no run, or its Redis ends.
    """
    with deferred() as interrupts, open_run(settings, for_clients=True) as opened:
        run = load_run(opened.client)
        if output.as_json:
            location = location_document(opened)
            output.document(schema.Served(location=location, redis_url=opened.address.masked_url))
        else:
            output.show(redis_cli(opened.address))
        output.note(f"{location_label(opened)}: {source_label(run)}")
        if opened.kind == "saved":
            output.note("serving a copy until Ctrl-C: what is written to it is not saved")
            _wait(opened, interrupts)


def send(settings: Settings, output: Output, command: Sequence[str]) -> None:
    """Send one command to the Redis of a run and print its reply as redis-cli does.

    Raises
    ------
    RedisFailure
        If there is no run.
    UsageError
        If Redis refuses the command.
    """
    with open_run(settings) as opened:
        try:
            reply = opened.client.execute_command(*command)  # type: ignore[no-untyped-call]
        except (redis.ResponseError, redis.DataError) as error:
            raise UsageError(f"Redis refuses '{' '.join(command)}': {error}") from None
        if output.as_json:
            output.document(schema.Reply(reply=reply))
        else:
            output.lines(reply_lines(reply))


def _wait(opened: OpenRun, interrupts: Interrupts) -> None:
    """Wait for Ctrl-C, which is the expected end."""
    try:
        while opened.client.ping():
            interrupts.check()
            time.sleep(_POLL_S)
    except KeyboardInterrupt:
        return
    raise StackError("the served Redis ended")
