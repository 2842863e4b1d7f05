"""`rushhour ack`: acknowledge an hour in place of a gate, and wait until it counts."""

import time

import redis

from rushhour.core.entry_ids import entry_order
from rushhour.core.errors import RedisFailure, UsageError
from rushhour.core.gate import GateStatus
from rushhour.core.hours import clock_label, parse_from
from rushhour.core.settings import Settings
from rushhour.simulator.commands.output import Output
from rushhour.simulator.documents import schema
from rushhour.simulator.documents.run import hour_fields
from rushhour.simulator.stack.open_run import open_live_run
from rushhour.storage.clock import load_status
from rushhour.storage.gate import acknowledge, load_gate

_PATIENCE_S = 3.0
_POLL_S = 0.02


def acknowledge_hour(settings: Settings, output: Output, gate: str, hour: str | None) -> None:
    """Acknowledge an hour, or the last closed one, and print who is still awaited.

    Raises
    ------
    UsageError
        If the run waits for no such gate, or the hour is not closed.
    RedisFailure
        If no run is live, or its replay does not answer.
    """
    hour_ts = None if hour is None else parse_from(hour)
    with open_live_run(settings) as opened:
        status = send_acknowledgement(opened.client, gate, hour_ts)
    acknowledged = status.acknowledged[gate]
    if output.as_json:
        output.document(
            schema.Acknowledged(
                **hour_fields(acknowledged), gate=gate, awaited=list(status.awaited)
            )
        )
        return
    awaited = f"still awaited: {', '.join(status.awaited)}" if status.awaited else "none is awaited"
    output.show(f"{gate} has acknowledged the hours up to {clock_label(acknowledged)}; {awaited}")


def send_acknowledgement(client: redis.Redis, gate: str, hour_ts: int | None) -> GateStatus:
    """Acknowledge an hour (epoch ms), wait for the replay to note it, and return the status.

    Raises
    ------
    UsageError
        If it is refused.
    RedisFailure
        If the replay has ended, or does not answer.
    """
    clock = load_status(client)
    if clock is not None and clock.has_ended:
        raise RedisFailure(f"the replay has {clock.state}: it waits for nobody any more")
    entry_id = acknowledge(client, gate, hour_ts)
    deadline = time.monotonic() + _PATIENCE_S
    while time.monotonic() < deadline:
        status = load_gate(client)
        if entry_order(status.ack) >= entry_order(entry_id):
            if gate not in status.acknowledged:
                raise UsageError(status.refusal)
            return status
        time.sleep(_POLL_S)
    raise RedisFailure(
        f"no replay answered within {_PATIENCE_S:.0f} s: the acknowledgement is kept until a "
        "producer reads it"
    )
