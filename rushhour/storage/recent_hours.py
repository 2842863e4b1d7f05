"""The last closed hours of the city, kept up to date by reading only what is new."""

from collections import deque
from dataclasses import dataclass
from typing import Any, cast

import redis

from rushhour.core import keys
from rushhour.storage.clock import hour_of_entry


@dataclass(frozen=True, slots=True)
class CityHour:
    """Rides of the city in an hour (its start, epoch ms), and what was predicted.

    `prediction` is None if nothing was.
    """

    hour_ts: int
    rides: int
    prediction: float | None


class RecentHours:
    """The last `count` closed hours of the run in Redis."""

    def __init__(self, client: redis.Redis, count: int) -> None:
        self._client = client
        self._run_id = ""
        self._last_id = ""
        self._hours: deque[CityHour] = deque(maxlen=count)

    def update(self, run_id: str) -> tuple[CityHour, ...]:
        """Read the hours that were closed since the last update, and return all that are kept.

        Another run id begins anew.
        """
        if run_id != self._run_id:
            self._run_id, self._last_id = run_id, ""
            self._hours.clear()
        since = f"({self._last_id}" if self._last_id else "-"
        newest = cast(
            Any, self._client.xrevrange(keys.CITY_HOURLY, "+", since, count=self._hours.maxlen)
        )
        for entry_id, fields in reversed(newest):
            self._hours.append(_hour(entry_id, fields))
            self._last_id = entry_id
        return tuple(self._hours)


def _hour(entry_id: str, fields: dict[str, str]) -> CityHour:
    prediction = fields["prediction"]
    return CityHour(
        hour_of_entry(entry_id),
        int(fields["rides"]),
        None if prediction == keys.NOT_KNOWN else float(prediction),
    )
