"""The Redis side of the replay: reads commands and closed hours, writes the status."""

import time
from dataclasses import replace
from typing import Any

import redis

from producers.metrics import export
from producers.replay import Updates, WaitingFor
from rushhour.core import keys
from rushhour.core.clock import ClockStatus, Command
from rushhour.core.errors import UsageError
from rushhour.core.hours import HOUR_MS, SECOND_MS
from rushhour.core.run import RunInfo
from rushhour.runtime.failpoints import reach
from rushhour.runtime.fence import Fence
from rushhour.runtime.monitor import Health
from rushhour.runtime.waiting import Waiting
from rushhour.storage.clock import check_entry

_MILLISECOND_S = 0.001
_ENTRIES_AT_ONCE = 100  # of each stream; the next poll reads the rest
_WAITING: dict[WaitingFor, Waiting] = {
    "clock": Waiting("clock"),
    "closed_hours": Waiting("closed_hours"),
}
_WAITING_FOR_REDIS = Waiting("redis")


class RedisControl:
    """Waits on two streams at once: the commands of users and the hours that the consumer closes.

    `city:hourly` has one entry per closed hour, with the hour as its id, so that waiting for the
    consumer needs no polling.

    Parameters
    ----------
    client
        Client of Redis.
    fence
        Guards the status.
    run
        The run that is replayed.
    last_command
        Id of the last command that was processed.
    last_closed
        The last closed hour (epoch ms).
    health
        Gets a heartbeat from each wait.
    """

    def __init__(
        self,
        client: redis.Redis,
        fence: Fence,
        run: RunInfo,
        last_command: str,
        last_closed: int,
        health: Health,
    ) -> None:
        self._client = client
        self._fence = fence
        self._run = run
        self._trimmed_to = last_command
        self._health = health
        self._last_closed = last_closed
        self._last_ids: dict[Any, Any] = {
            keys.COMMANDS: last_command,
            keys.CITY_HOURLY: f"{last_closed}-0",
        }

    def wait(self, seconds: float, reason: WaitingFor) -> Updates:
        """Return news, waiting up to `seconds` for the first.

        Raises
        ------
        RedisFailure
            If `city:hourly` holds an entry that is not of the run.
        """
        self._health.beat()
        with _WAITING[reason] if seconds else _WAITING_FOR_REDIS:
            if 0 < seconds < _MILLISECOND_S:  # Redis blocks for whole milliseconds
                time.sleep(seconds)
            block = int(seconds * SECOND_MS) or None
            replies: Any = self._client.xread(self._last_ids, _ENTRIES_AT_ONCE, block)
        commands: list[tuple[str, Command | UsageError]] = []
        last_closed: int | None = None
        for stream, entries in replies:
            self._last_ids[stream] = entries[-1][0]
            if stream == keys.CITY_HOURLY:
                for entry_id, _ in entries:
                    last_closed = self._last_closed = check_entry(entry_id, self._run)
            else:
                commands += [(entry_id, _read_command(fields)) for entry_id, fields in entries]
        return Updates(tuple(commands), last_closed)

    def publish(self, status: ClockStatus) -> None:
        """Write the status to `sim:clock` and export it to Prometheus.

        Commands that have been processed are deleted, so that the stream does not grow.

        Raises
        ------
        RushhourError
            If another producer has taken over, or Redis has lost the run.
        """
        reach("producer.status")
        status = replace(status, heartbeat_ts=int(time.time() * SECOND_MS))
        self._fence.write_hash(self._client, keys.CLOCK, status.to_fields())
        if status.command != self._trimmed_to:
            self._client.xtrim(keys.COMMANDS, minid=status.command, approximate=True)
            self._trimmed_to = status.command
        export(status, self._last_closed + HOUR_MS)


def _read_command(fields: dict[str, str]) -> Command | UsageError:
    try:
        return Command.from_fields(fields)
    except UsageError as error:
        return error
