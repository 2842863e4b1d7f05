"""What is about the whole city: an hour is closed for it once every partition has closed it.

Consumers share the partitions, so whichever of them finds that it was the last one closes the
hour: from its own memory as far as that goes, and from what the others wrote to Redis.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import redis
from redis.client import Pipeline

from consumers.columns import rounded
from consumers.pending import Unit
from consumers.scores import WINDOWS, RollingErrors, named_scores
from consumers.stored import StoredHour, read_hours
from core import keys
from core.hours import HOUR_MS, HOURS_PER_WEEK, hour_label, parse_label
from core.models import MODELS
from core.redis_client import read_hash, write_hash
from core.run import RunInfo
from core.status import first_open_hour
from core.zones import ZONE_COUNT

# What Redis says of an hour that the stream has already: it has the same fields.
_ENTRY_IS_THERE = "equal or smaller than the target stream top item"


@dataclass
class Totals:
    """What adds up from the first hour of a run."""

    pairs: int = 0
    rides: int = 0


class City:
    """Closes hours for the city, in order. `partitions` is how many have to close each hour."""

    def __init__(
        self,
        client: redis.Redis,
        run: RunInfo,
        partitions: int,
        errors: RollingErrors,
        totals: Totals,
    ) -> None:
        self._client = client
        self._start_ts = run.start_ts
        self._next_hour = first_open_hour(client, run.start_ts)
        self._partitions = partitions
        self._errors = errors
        self._totals = totals
        self._open: dict[int, StoredHour] = {}

    @classmethod
    def restore(cls, client: redis.Redis, run: RunInfo, partitions: int) -> "City":
        """Take up the city where Redis says it stands."""
        errors = RollingErrors()
        next_hour = first_open_hour(client, run.start_ts)
        first = max(run.start_ts, next_hour - HOURS_PER_WEEK * HOUR_MS)
        for hour, stored in read_hours(client, range(first, next_hour, HOUR_MS)).items():
            errors.learn(hour, stored.rides, stored.by_model)
        quality = read_hash(client, keys.QUALITY)
        totals = Totals(int(quality.get("pairs_scored", 0)), int(quality.get("rides", 0)))
        return cls(client, run, partitions, errors, totals)

    def note(self, units: Iterable[Unit]) -> None:
        """Remember what this consumer has just written, so that it need not be read back."""
        for unit in units:
            self._open.setdefault(unit.hour_ts, StoredHour()).put(unit)

    def close(self, closed: Mapping[int, int]) -> None:
        """Close what can be closed, given the last hour that each partition has closed."""
        if len(closed) < self._partitions:
            return
        last = min(closed.values())
        if last < self._next_hour:
            return
        hours = {
            hour: self._tables(hour) for hour in range(self._next_hour, last + HOUR_MS, HOUR_MS)
        }
        for hour, stored in hours.items():
            self._learn(hour, stored)
        self._next_hour = last + HOUR_MS
        entries = {hour: _entry(hour, stored) for hour, stored in hours.items()}
        self._write(entries, self._upcoming(last + HOUR_MS))

    def _tables(self, hour: int) -> StoredHour:
        stored = self._open.pop(hour, None)
        if stored is not None and stored.has_rides() and stored.has_forecast():
            return stored
        return read_hours(self._client, [hour])[hour]

    def _upcoming(self, hour: int) -> dict[str, Any]:
        """Return what is expected of the hour after the last closed one."""
        stored = self._open.get(hour)
        if stored is None or not stored.has_forecast():
            stored = read_hours(self._client, [hour])[hour]
        return {
            "next_hour": hour_label(hour),
            "next_prediction": rounded(float(stored.served.sum())),
        }

    def _learn(self, hour: int, stored: StoredHour) -> None:
        self._errors.learn(hour, stored.rides, stored.by_model)
        self._totals.pairs += int((~np.isnan(stored.served)).sum())
        self._totals.rides += int(stored.rides.sum())

    def _write(self, entries: Mapping[int, dict[str, Any]], upcoming: dict[str, Any]) -> None:
        """Write closed hours, unless another consumer has come as far meanwhile."""
        last = max(entries)
        with self._client.pipeline() as pipe:
            while True:
                pipe.watch(keys.CITY)  # type: ignore[no-untyped-call]
                if _is_written(pipe, last):
                    return
                pipe.multi()
                self._queue(pipe, entries, last, upcoming)
                try:
                    replies = pipe.execute(raise_on_error=False)
                except redis.WatchError:
                    continue
                for reply in replies:
                    if isinstance(reply, redis.RedisError) and _ENTRY_IS_THERE not in str(reply):
                        raise reply
                return

    def _queue(
        self,
        pipe: Pipeline,
        entries: Mapping[int, dict[str, Any]],
        last: int,
        upcoming: dict[str, Any],
    ) -> None:
        for hour, entry in entries.items():
            flat = [item for pair in entry.items() for item in pair]
            pipe.execute_command("XADD", keys.CITY_HOURLY, f"{hour}-0", *flat)  # type: ignore[no-untyped-call]
        label = hour_label(last)
        for name in MODELS:
            fields: dict[str, Any] = {"hour": label}
            for window in WINDOWS:
                scores = self._errors.city_scores(name, window, last)
                fields |= {field: values[0] for field, values in named_scores(scores, window)}
            write_hash(pipe, keys.model(name), fields)
        write_hash(pipe, keys.CITY, entries[last] | {"rides_so_far": self._totals.rides} | upcoming)
        write_hash(pipe, keys.QUALITY, self._quality(last))
        write_hash(pipe, keys.CLOCK, {"last_hour_closed": label, "last_hour_closed_ts": last})

    def _quality(self, last: int) -> dict[str, Any]:
        hours = (last - self._start_ts) // HOUR_MS + 1
        due = hours * ZONE_COUNT
        return {
            "hours_closed": hours,
            "rides": self._totals.rides,
            "pairs_due": due,
            "pairs_scored": self._totals.pairs,
            "overlap": rounded(self._totals.pairs / due),
        }


def _is_written(pipe: Pipeline, last: int) -> bool:
    written: Any = pipe.hget(keys.CITY, "hour")
    return written is not None and parse_label(written) >= last


def _entry(hour: int, stored: StoredHour) -> dict[str, Any]:
    error = stored.served - stored.rides
    return {
        "hour": hour_label(hour),
        "rides": int(stored.rides.sum()),
        "prediction": rounded(float(stored.served.sum())),
        "error": rounded(float(error.sum())),
        "mae": rounded(float(np.abs(error).mean())),
    }
