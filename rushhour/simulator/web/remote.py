"""Commands to the clock from a page: those of the command line, by the same stream."""

from typing import Any

import msgspec
import redis

from rushhour.core.clock import Command
from rushhour.core.errors import RushhourError
from rushhour.simulator.web.guard import Refused
from rushhour.simulator.web.source import RunSource
from rushhour.storage.commands import send

MAX_BYTES = 1_000  # of the body of a request
# `stop` ends a run for good: it stays with the command line.
OFFERED = ("pause", "resume", "speed", "step", "until", "seek")


class _Body(msgspec.Struct, forbid_unknown_fields=True):
    """What a page sends."""

    command: str
    value: str = ""


def send_from_page(source: RunSource, body: bytes) -> dict[str, Any]:
    """Send the command of a request, and return its id, or why it was refused.

    Raises
    ------
    Refused
        If the request holds no command.
    """
    try:
        wanted = msgspec.json.decode(body, type=_Body)
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise Refused(400, 'a command is {"command": NAME, "value": TEXT}') from None
    if wanted.command not in OFFERED:
        raise Refused(400, f"the pages send {', '.join(OFFERED)}: for others use `rushhour`")
    client: redis.Redis | None = None
    try:
        command = Command(wanted.command, wanted.value)  # type: ignore[arg-type]
        client = source.client()
        _, result = send(client, command)
    except RushhourError as error:
        return {"id": None, "error": str(error)}
    except redis.RedisError as error:
        source.lost(client)
        return {"id": None, "error": f"Redis does not answer: {error}"}
    return {"id": result.id, "error": None}
