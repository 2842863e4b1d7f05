"""The Redis edge of the city: read what is missing, write closed hours in one transaction."""

from collections.abc import Iterable, Mapping
from typing import Any

import redis
from redis.client import Pipeline

from consumers.city import City, CityUpdate
from consumers.pending import HourUpdate
from rushhour.core import keys
from rushhour.core.run import RunInfo
from rushhour.runtime.failpoints import reach
from rushhour.runtime.redis_client import write_hash
from rushhour.storage.clock import last_hour_of
from rushhour.storage.read_hours import read_hours

# Redis refuses an entry that the stream has already. It has the same fields.
_DUPLICATE_ENTRY = "equal or smaller than the target stream top item"


class CityWriter:
    """Closes hours for the city in Redis."""

    def __init__(self, client: redis.Redis, run: RunInfo, city: City) -> None:
        self._client = client
        self._run = run
        self._city = city

    def note(self, updates: Iterable[HourUpdate]) -> None:
        """Remember what this consumer has written, so that it need not be read back."""
        self._city.note(updates)

    def close(self, closed: Mapping[int, int]) -> None:
        """Close all hours that every partition has closed; `closed` is the last one of each."""
        due = self._city.due(closed)
        if not due:
            return
        tables = read_hours(self._client, self._run, self._city.unknown(due))
        reach("consumer.city", hour=due[-1])
        self._write(self._city.close(due, {hour.hour_ts: hour for hour in tables}))
        reach("consumer.closed", hour=due[-1])

    def _write(self, update: CityUpdate) -> None:
        """Write an update, unless another consumer has written it, or a later one, already."""
        with self._client.pipeline() as pipe:
            while True:
                pipe.watch(keys.CITY_HOURLY)  # type: ignore[no-untyped-call]
                written = last_hour_of(pipe.xrevrange(keys.CITY_HOURLY, count=1))
                if written is not None and written >= update.last_hour:
                    return
                pipe.multi()
                _queue(pipe, update)
                try:
                    replies = pipe.execute(raise_on_error=False)
                except redis.WatchError:
                    continue
                for reply in replies:
                    if isinstance(reply, redis.RedisError) and _DUPLICATE_ENTRY not in str(reply):
                        raise reply
                return


def _queue(pipe: Pipeline, update: CityUpdate) -> None:
    for stream, entries in ((keys.CITY_HOURLY, update.hourly), (keys.ALERTS, update.alerts)):
        for entry_id, fields in entries.items():
            _xadd(pipe, stream, entry_id, fields)
    for name, fields in update.models.items():
        write_hash(pipe, keys.model(name), fields)
    write_hash(pipe, keys.COVERAGE, update.coverage)
    write_hash(pipe, keys.CITY, update.city)
    write_hash(pipe, keys.QUALITY, update.quality)


def _xadd(pipe: Pipeline, stream: str, entry_id: str, fields: dict[str, Any]) -> None:
    flat = [item for pair in fields.items() for item in pair]
    pipe.execute_command("XADD", stream, entry_id, *flat)  # type: ignore[no-untyped-call]
