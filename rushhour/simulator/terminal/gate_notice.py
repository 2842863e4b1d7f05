"""A line about a gate that is awaited for longer than usual."""

import redis

from rushhour.runtime.wall_clock import wall_ts
from rushhour.simulator.run_view import RunView
from rushhour.simulator.terminal.screens import gate_label
from rushhour.storage.gate import load_gate

LONG_WAIT_S = 10.0


class GateNotice:
    """Looks at the gates of a run, and has a line once for each hour that waits for long."""

    def __init__(self, client: redis.Redis) -> None:
        self._client = client
        self._told_ts: int | None = None

    def line(self) -> str | None:
        """Return who is awaited, if that is to be told now."""
        gate = load_gate(self._client)
        if gate.waited_s(wall_ts()) <= LONG_WAIT_S or gate.hour_ts == self._told_ts:
            return None
        self._told_ts = gate.hour_ts
        return f"gate {gate_label(RunView.read(self._client))}"
