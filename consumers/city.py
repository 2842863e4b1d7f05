"""What is about the whole city: an hour is closed for it once every partition has closed it.

Consumers share the partitions, so whichever of them finds that it was the last one closes the
hour: from its own memory as far as that goes, and from what the others wrote to Redis.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import redis
from redis.client import Pipeline

from consumers.pending import Forecast, HourUpdate
from consumers.rolling import Rolling
from consumers.rolling_coverage import COVERAGE, is_covered
from rushhour.core import keys
from rushhour.core.events import direction_of
from rushhour.core.hours import HOUR_MS, HOURS_PER_WEEK, hour_label, parse_label
from rushhour.core.run import RunInfo
from rushhour.core.zones import ZONE_COUNT
from rushhour.runtime.redis_client import read_hash, write_hash
from rushhour.storage.columns import rounded, rows, to_values
from rushhour.storage.hour_tables import StoredHour, read_hours

# What Redis says of an hour that the stream has already: it has the same fields.
_ENTRY_IS_THERE = "equal or smaller than the target stream top item"


@dataclass
class Totals:
    """What adds up from the first hour of a run."""

    hours: int = 0
    pairs: int = 0
    rides: int = 0
    alerts: int = 0

    @classmethod
    def load(cls, client: redis.Redis) -> "Totals":
        """Read them from Redis, where they are of one moment: they are written together."""
        fields = read_hash(client, keys.QUALITY)
        names = ("hours_closed", "pairs_scored", "rides", "alerts")
        return cls(*(int(fields.get(name, 0)) for name in names))


@dataclass(frozen=True)
class _Entries:
    """What the streams get for the hours that are closed together: hour or id -> fields."""

    hours: dict[int, dict[str, Any]]
    alerts: dict[str, dict[str, Any]]

    @property
    def last(self) -> int:
        """The last of the hours."""
        return max(self.hours)


class City:
    """Closes hours for the city, in order. `partitions` is how many have to close each hour."""

    def __init__(
        self,
        client: redis.Redis,
        run: RunInfo,
        partitions: int,
        rolling: Rolling,
        totals: Totals,
    ) -> None:
        self._client = client
        self._models = run.models
        self._next_hour = run.start_ts + totals.hours * HOUR_MS
        self._partitions = partitions
        self._rolling = rolling
        self._totals = totals
        self._open: dict[int, StoredHour] = {}

    @classmethod
    def restore(cls, client: redis.Redis, run: RunInfo, partitions: int) -> "City":
        """Take up the city where Redis says it stands."""
        rolling = Rolling()
        totals = Totals.load(client)
        next_hour = run.start_ts + totals.hours * HOUR_MS
        first = max(run.start_ts, next_hour - HOURS_PER_WEEK * HOUR_MS)
        hours = range(first, next_hour, HOUR_MS)
        for hour, stored in read_hours(client, hours, run.models).items():
            rolling.learn(hour, stored.rides, stored.forecast)
        return cls(client, run, partitions, rolling, totals)

    def note(self, units: Iterable[HourUpdate]) -> None:
        """Remember what this consumer has just written, so that it need not be read back."""
        for unit in units:
            self._at(unit.hour_ts).put(unit)
            before = unit.hour_ts - HOUR_MS
            if isinstance(unit, Forecast) and before >= self._next_hour:
                self._at(before).put_drift(unit)

    def _at(self, hour: int) -> StoredHour:
        if hour not in self._open:
            self._open[hour] = StoredHour.unknown(hour, self._models)
        return self._open[hour]

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
        entries = _Entries(
            {hour: _entry(hour, stored) for hour, stored in hours.items()},
            {at: alert for hour, stored in hours.items() for at, alert in _alerts(hour, stored)},
        )
        self._write(entries, self._upcoming(last + HOUR_MS))

    def _tables(self, hour: int) -> StoredHour:
        stored = self._open.pop(hour, None)
        if stored is not None and stored.has_rides() and stored.has_forecast():
            return stored
        return self._read(hour)

    def _read(self, hour: int) -> StoredHour:
        return read_hours(self._client, [hour], self._models)[hour]

    def _upcoming(self, hour: int) -> dict[str, Any]:
        """Return what is expected of the hour after the last closed one."""
        stored = self._open.get(hour)
        if stored is None or not stored.has_forecast():
            stored = self._read(hour)
        return {
            "next_hour": hour_label(hour),
            "next_prediction": rounded(float(stored.served.sum())),
        }

    def _learn(self, hour: int, stored: StoredHour) -> None:
        self._rolling.learn(hour, stored.rides, stored.forecast)
        self._totals.hours += 1
        self._totals.pairs += int((~np.isnan(stored.served)).sum())
        self._totals.rides += int(stored.rides.sum())
        self._totals.alerts += int((~np.isnan(stored.drift)).sum())

    def _write(self, entries: _Entries, upcoming: dict[str, Any]) -> None:
        """Write closed hours, unless another consumer has come as far meanwhile."""
        with self._client.pipeline() as pipe:
            while True:
                pipe.watch(keys.CITY)  # type: ignore[no-untyped-call]
                if _is_written(pipe, entries.last):
                    return
                pipe.multi()
                self._queue(pipe, entries, upcoming)
                try:
                    replies = pipe.execute(raise_on_error=False)
                except redis.WatchError:
                    continue
                for reply in replies:
                    if isinstance(reply, redis.RedisError) and _ENTRY_IS_THERE not in str(reply):
                        raise reply
                return

    def _queue(self, pipe: Pipeline, entries: _Entries, upcoming: dict[str, Any]) -> None:
        for hour, entry in entries.hours.items():
            _xadd(pipe, keys.CITY_HOURLY, f"{hour}-0", entry)
        for at, alert in entries.alerts.items():
            _xadd(pipe, keys.ALERTS, at, alert)
        last = entries.last
        label = hour_label(last)
        for place, name in enumerate(self._models):
            scores = self._rolling.of_city(name, last, served=place == 0)
            write_hash(pipe, keys.model(name), {"hour": label} | scores)
        write_hash(pipe, keys.COVERAGE, self._rolling.of_bands())
        city = entries.hours[last] | {"rides_so_far": self._totals.rides} | upcoming
        write_hash(pipe, keys.CITY, city)
        write_hash(pipe, keys.QUALITY, self._quality())
        write_hash(pipe, keys.CLOCK, {"last_hour_closed": label, "last_hour_closed_ts": last})

    def _quality(self) -> dict[str, Any]:
        due = self._totals.hours * ZONE_COUNT
        return {
            "hours_closed": self._totals.hours,
            "rides": self._totals.rides,
            "pairs_due": due,
            "pairs_scored": self._totals.pairs,
            "overlap": rounded(self._totals.pairs / due),
            "alerts": self._totals.alerts,
        }


def _xadd(pipe: Pipeline, stream: str, entry_id: str, fields: dict[str, Any]) -> None:
    flat = [item for pair in fields.items() for item in pair]
    pipe.execute_command("XADD", stream, entry_id, *flat)  # type: ignore[no-untyped-call]


def _is_written(pipe: Pipeline, last: int) -> bool:
    written: Any = pipe.hget(keys.CITY, "hour")
    return written is not None and parse_label(written) >= last


def _entry(hour: int, stored: StoredHour) -> dict[str, Any]:
    error = stored.served - stored.rides
    covered = is_covered(stored.rides, stored.forecast.lower, stored.forecast.upper)
    judged = covered[~np.isnan(covered)]
    return {
        "hour": hour_label(hour),
        "rides": int(stored.rides.sum()),
        "prediction": rounded(float(stored.served.sum())),
        "error": rounded(float(error.sum())),
        "mae": rounded(float(np.abs(error).mean())),
        COVERAGE: rounded(float(judged.mean())) if len(judged) else keys.NOT_KNOWN,
    }


def _alerts(hour: int, stored: StoredHour) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield what an hour has raised, by zone: the id of an entry, and its fields.

    Ids rise with hour and zone, as Redis demands; a second entry of the same id is refused.
    """
    label = hour_label(hour)
    for zone, change in rows(to_values(stored.drift), ~np.isnan(stored.drift)):
        what = direction_of(change)
        yield f"{hour}-{zone}", {"zone": zone, "hour": label, "what": what, "change": change}
