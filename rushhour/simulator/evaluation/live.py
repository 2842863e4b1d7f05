"""A live run as arrays: what Redis holds of its closed hours."""

import redis

from rushhour.core.hours import HOUR_MS
from rushhour.core.run import RunInfo
from rushhour.simulator.evaluation.run_arrays import RunArrays
from rushhour.storage.clock import first_open_hour
from rushhour.storage.read_hours import read_hours


def read_run(client: redis.Redis, run: RunInfo) -> RunArrays:
    """Return the closed hours of a run; no hours before the first one is closed."""
    hours = range(run.start_ts, first_open_hour(client, run), HOUR_MS)
    return RunArrays.of(run.start_ts, read_hours(client, run, hours))
