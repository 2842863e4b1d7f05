"""Keys that are named like those of a run, but are not of this one."""

from collections.abc import Collection

import redis

from rushhour.core import keys
from rushhour.core.hours import HOUR_MS, hour_label
from rushhour.core.run import RunInfo
from rushhour.core.zones import ZONE_IDS
from rushhour.simulator.evaluation.verification.check import Check
from rushhour.simulator.evaluation.verification.snapshot import MOST_AHEAD_HOURS

_SCAN_COUNT = 1000
_SHOWN = 3
_PROCESSES = "sim:"  # what begins so describes processes, and has checks of its own
_SINGLE = (
    keys.CITY, keys.CITY_HOURLY, keys.QUALITY, keys.BOARD_MAE, keys.BOARD_RIDES, keys.ALERTS,
    keys.COVERAGE,
)  # fmt: skip


def check_unknown_keys(
    client: redis.Redis, run: RunInfo, tables: Collection[str], hours: int
) -> Check:
    """Check that Redis has no keys of another run, model, zone or hour.

    Parameters
    ----------
    tables
        The keys of the tables that the run may have.
    hours
        How many hours of the run are closed; the tables of those after them may be there in part.
    """
    known = {
        *_SINGLE,
        *tables,
        *map(keys.zone, ZONE_IDS),
        *map(keys.model, run.models),
        *map(keys.horizon, run.horizons_ahead),
    }
    until = min(run.hours, hours + MOST_AHEAD_HOURS)
    still_open = tuple(
        f":{hour_label(run.start_ts + index * HOUR_MS)}" for index in range(hours, until + 1)
    )
    unfinished = hours < run.hours
    unknown = sorted(
        key
        for key in client.scan_iter(count=_SCAN_COUNT)
        if keys.is_of_a_run(key)
        and key not in known
        and not key.startswith(_PROCESSES)
        and not (unfinished and key.endswith(still_open))
    )
    more = ", ..." if len(unknown) > _SHOWN else ""
    named = f": {', '.join(unknown[:_SHOWN])}{more}" if unknown else ""
    return Check.of(
        "there are no keys of other runs",
        not unknown,
        f"{len(known):,} keys may be there, {len(unknown)} others are{named}",
    )
