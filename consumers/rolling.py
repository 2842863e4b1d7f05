"""A rolling week: where an hour lies in it, and the names of rolling scores.

An hour lies in a slot that is a function of the hour alone. Sums are therefore added up in the
same order, and have the same digits, after a restart.
"""

from typing import Any

from rushhour.core.hours import HOUR_MS, HOURS_PER_DAY, HOURS_PER_WEEK

WINDOWS = (HOURS_PER_DAY, HOURS_PER_WEEK)
COVERAGE = "coverage"
WIS = "wis"

# Rolling scores by their name, in fields of Redis and in metrics: of each model, of the intervals
# of the served one, and of each zone.
ERROR_SCORES = ("mae", "rmse", "bias", "deviance", "skill")
INTERVAL_SCORES = (COVERAGE, WIS)
ZONE_SCORES = ("mae", "rmse", "bias", "skill")


def slot_of(hour_ts: int) -> int:
    """Return the slot of an hour (epoch ms) in a rolling week, from 0 on.

    >>> slot_of(0), slot_of(167 * 3_600_000), slot_of(168 * 3_600_000)
    (0, 167, 0)
    """
    return hour_ts // HOUR_MS % HOURS_PER_WEEK


def slots_of(window: int, last_hour: int) -> Any:
    """Return an index of the slots of the `window` hours that end with `last_hour`.

    >>> slots_of(3, 100 * 3_600_000)
    [100, 99, 98]
    """
    if window == HOURS_PER_WEEK:
        return slice(None)
    return [slot_of(last_hour - age * HOUR_MS) for age in range(window)]


def score_field(score: str, window: int) -> str:
    """Return the name that a score over the last `window` hours has in Redis.

    >>> score_field("mae", 24)
    'mae_24h'
    """
    return f"{score}_{window}h"
