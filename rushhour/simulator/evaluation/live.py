"""A live run as arrays: what Redis holds of its closed hours."""

from collections import deque
from dataclasses import replace

import numpy as np
import redis

from rushhour.core.hours import HOUR_MS
from rushhour.core.run import RunInfo
from rushhour.simulator.evaluation.run_arrays import RunArrays
from rushhour.storage.clock import first_open_hour
from rushhour.storage.hour_tables import HourTables
from rushhour.storage.read_hours import read_hours_ahead
from rushhour.storage.submissions import read_submitted, submitted_models


class RunReader:
    """Reads the hours of a run as they are closed: at its end, few are left to read.

    It has the hours that Redis keeps, and forgets the others.
    """

    def __init__(self, client: redis.Redis, run: RunInfo) -> None:
        self._client = client
        self._run = run
        self._hours: deque[HourTables] = deque(maxlen=run.keep_hours)
        self._next = run.start_ts

    def update(self) -> None:
        """Read the hours that were closed since the last call."""
        end = first_open_hour(self._client, self._run)
        first = max(self._next, self._run.first_kept(end))
        if first > self._next:
            self._hours.clear()  # those in between were closed and removed meanwhile
        for hour in read_hours_ahead(self._client, self._run, range(first, end, HOUR_MS)):
            if hour.is_closed() and hour.is_forecast():
                self._hours.append(hour)
            else:  # removed since the first line
                self._hours.clear()
        self._next = end

    @property
    def count(self) -> int:
        """How many hours were read."""
        return len(self._hours)

    def arrays(self) -> RunArrays:
        """Return the hours that were read; none before the first one is closed.

        Beside the run's models are those of users, as Redis holds them by now.
        """
        start_ts = self._hours[0].hour_ts if self._hours else self._run.start_ts
        before = (start_ts - self._run.start_ts) // HOUR_MS
        arrays = replace(RunArrays.of(start_ts, self._hours), hours_before=before)
        return _with_submitted(self._client, arrays) if self._hours else arrays


def _with_submitted(client: redis.Redis, arrays: RunArrays) -> RunArrays:
    """Return a run with the predictions of users beside those of its own models."""
    hours = range(arrays.start_ts, arrays.start_ts + arrays.hours * HOUR_MS, HOUR_MS)
    submitted = {
        name: np.stack(read_submitted(client, name, hours)) for name in submitted_models(client)
    }
    forecast = replace(arrays.forecast, by_model=arrays.forecast.by_model | submitted)
    return replace(arrays, forecast=forecast)


def read_run(client: redis.Redis, run: RunInfo) -> RunArrays:
    """Return the closed hours of a run; no hours before the first one is closed."""
    reader = RunReader(client, run)
    reader.update()
    return reader.arrays()
