"""Wall time as epoch milliseconds, as Redis and Kafka have it."""

import time

from rushhour.core.hours import SECOND_MS


def wall_ts() -> int:
    """Return the wall time (epoch ms)."""
    return int(time.time() * SECOND_MS)
