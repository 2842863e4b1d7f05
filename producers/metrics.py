"""What the producer tells Prometheus."""

from typing import get_args

from prometheus_client import Counter, Enum, Gauge

from rushhour.core.clock import ClockStatus, State
from rushhour.core.hours import SECOND_MS
from rushhour.core.speed import Speed

TRIPS_SENT = Counter("rushhour_trips_sent", "Trips put on the stream")
ROWS_REJECTED = Gauge("rushhour_rows_rejected", "Rows of the file that were set aside", ["reason"])
SIMULATED_TIME = Gauge(
    "rushhour_simulated_time_seconds", "Simulated now, event time in epoch seconds"
)
SIMULATED_LAG = Gauge(
    "rushhour_simulated_lag_seconds", "Event time from the end of the last closed hour to now"
)
SPEED_FACTOR = Gauge("rushhour_speed_factor", "Asked speed, simulated seconds a second")
CLOCK_STATE = Enum(
    "rushhour_clock_state", "What the simulated clock does", states=list(get_args(State))
)


def show(status: ClockStatus, closed_until: int) -> None:
    """Show the clock; `closed_until` is the end of the last closed hour (epoch ms)."""
    SIMULATED_TIME.set(status.now_ts / SECOND_MS)
    SIMULATED_LAG.set((status.now_ts - closed_until) / SECOND_MS)
    SPEED_FACTOR.set(Speed.parse(status.speed).factor)
    CLOCK_STATE.state(status.state)
