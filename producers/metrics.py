"""Metrics of the producer."""

from typing import get_args

from prometheus_client import Counter, Enum, Gauge

from rushhour.core.clock import ClockStatus, State
from rushhour.core.gate import GateStatus
from rushhour.core.hours import SECOND_MS
from rushhour.core.speed import Speed

TRIPS_SENT = Counter("rushhour_trips_sent", "Trips sent to Kafka")
ROWS_REJECTED = Gauge("rushhour_rows_rejected", "Rows of the trip file rejected", ["reason"])
SIMULATED_TIMESTAMP = Gauge(
    "rushhour_simulated_timestamp_seconds", "Simulated time, as event time in epoch seconds"
)
SIMULATED_LAG = Gauge(
    "rushhour_simulated_lag_seconds", "Event time between the end of the last closed hour and now"
)
SPEED_RATIO = Gauge("rushhour_speed_ratio", "Speed setting, in simulated seconds per second")
CLOCK_STATE = Enum(
    "rushhour_clock_state", "State of the simulated clock", states=list(get_args(State))
)

GATE_AWAITED = Gauge(
    "rushhour_gate_awaited_seconds",
    "Wall time for which a gate has been awaited to acknowledge the last closed hour, or 0",
    ["gate"],
)
ACKS_REFUSED = Gauge(
    "rushhour_acknowledgements_refused", "Acknowledgements of the run that were refused so far"
)


def export(status: ClockStatus, closed_until: int) -> None:
    """Export the clock; `closed_until` is the end of the last closed hour (epoch ms)."""
    SIMULATED_TIMESTAMP.set(status.now_ts / SECOND_MS)
    SIMULATED_LAG.set((status.now_ts - closed_until) / SECOND_MS)
    SPEED_RATIO.set(Speed.parse(status.speed).factor)
    CLOCK_STATE.state(status.state)


def export_gate(status: GateStatus, now_ts: int) -> None:
    """Export who is awaited at a wall time (epoch ms); nothing if the run has no gates."""
    for gate in status.gates:
        awaited_s = status.waited_s(now_ts) if gate in status.awaited else 0.0
        GATE_AWAITED.labels(gate).set(awaited_s)
    ACKS_REFUSED.set(status.refused)
