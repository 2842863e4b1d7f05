"""Metrics that more than one part exports. Each part has its own beside these."""

from prometheus_client import Gauge

LAG = Gauge(
    "rushhour_lag_messages",
    "Messages on a partition that this process has not read yet",
    ["topic", "partition"],
)
