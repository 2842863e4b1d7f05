"""The Redis side of the replay: reads commands and closed hours, writes the status."""

import time
from typing import Any

import redis

from producers.metrics import export
from producers.replay import Updates
from rushhour.core import keys
from rushhour.core.clock import ClockStatus, Command
from rushhour.core.errors import UsageError
from rushhour.core.hours import HOUR_MS, SECOND_MS
from rushhour.runtime.failpoints import reach
from rushhour.runtime.monitor import Health
from rushhour.storage.clock import hour_of_entry, save_status

_MILLISECOND_S = 0.001


class RedisControl:
    """Waits on two streams at once: the commands of users and the hours that the consumer closes.

    `city:hourly` has one entry per closed hour, with the hour as its id, so that waiting for the
    consumer needs no polling.

    Parameters
    ----------
    client
        Client of Redis.
    last_command
        Id of the last command that was processed.
    last_closed
        The last closed hour (epoch ms).
    health
        Gets a heartbeat from each wait.
    """

    def __init__(
        self, client: redis.Redis, last_command: str, last_closed: int, health: Health
    ) -> None:
        self._client = client
        self._health = health
        self._last_closed = last_closed
        self._last_ids: dict[Any, Any] = {
            keys.COMMANDS: last_command,
            keys.CITY_HOURLY: f"{last_closed}-0",
        }

    def wait(self, seconds: float) -> Updates:
        """Return news, waiting up to `seconds` for the first."""
        self._health.beat()
        if 0 < seconds < _MILLISECOND_S:  # Redis blocks for whole milliseconds
            time.sleep(seconds)
        block = int(seconds * SECOND_MS) or None
        replies: Any = self._client.xread(self._last_ids, block=block)
        commands: list[tuple[str, Command | UsageError]] = []
        last_closed: int | None = None
        for stream, entries in replies:
            self._last_ids[stream] = entries[-1][0]
            if stream == keys.CITY_HOURLY:
                last_closed = self._last_closed = hour_of_entry(entries[-1][0])
            else:
                commands += [(entry_id, _read_command(fields)) for entry_id, fields in entries]
        return Updates(tuple(commands), last_closed)

    def publish(self, status: ClockStatus) -> None:
        """Write the status to `sim:clock` and export it to Prometheus."""
        reach("producer.status")
        save_status(self._client, status)
        export(status, self._last_closed + HOUR_MS)


def _read_command(fields: dict[str, str]) -> Command | UsageError:
    try:
        return Command.from_fields(fields)
    except UsageError as error:
        return error
