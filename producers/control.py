"""The Redis side of the replay: reads commands and closed hours, writes the status."""

import time
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, TypeVar

import redis
from redis.client import Pipeline

from producers.metrics import export, export_gate
from producers.pacing.gate import Gate
from producers.pacing.ports import Commands, WaitingFor
from rushhour.core import keys
from rushhour.core.clock import ClockStatus, Command
from rushhour.core.errors import UsageError
from rushhour.core.gate import Acknowledgement, GateStatus
from rushhour.core.hours import HOUR_MS, SECOND_MS
from rushhour.core.run import RunInfo
from rushhour.core.timeline import TimelineEntry
from rushhour.runtime.failpoints import reach
from rushhour.runtime.fence import Fence
from rushhour.runtime.monitor import Health
from rushhour.runtime.waiting import Waiting
from rushhour.runtime.wall_clock import wall_ts
from rushhour.storage.clock import check_entry, save_status
from rushhour.storage.timeline import append_timeline

_MILLISECOND_S = 0.001
_ENTRIES_AT_ONCE = 100  # of each stream; the next poll reads the rest
_WAITING: dict[WaitingFor, Waiting] = {
    "clock": Waiting("clock"),
    "closed_hours": Waiting("closed_hours"),
    "gate": Waiting("gate"),
}
_WAITING_FOR_REDIS = Waiting("redis")
_E = TypeVar("_E", Command, Acknowledgement)


class RedisControl:
    """Waits on streams at once: the commands of users and the hours that the consumer closes.

    If the run has gates, their acknowledgements are the third stream.

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
    gate
        The last closed hour, and who has to acknowledge it. What it awaits is written here.
    health
        Gets a heartbeat from each wait.
    """

    def __init__(
        self,
        client: redis.Redis,
        fence: Fence,
        run: RunInfo,
        last_command: str,
        gate: Gate,
        health: Health,
    ) -> None:
        self._client = client
        self._fence = fence
        self._run = run
        self._trimmed_to = last_command
        self._health = health
        self._gate = gate
        self._published_gate = gate.saved
        self._last_ids: dict[Any, Any] = {
            keys.COMMANDS: last_command,
            keys.CITY_HOURLY: f"{gate.last_closed}-0",
        }
        if gate.status.gates:
            self._last_ids[keys.ACKS] = gate.status.ack

    @property
    def gate(self) -> Gate:
        """What holds the clock at the end of an hour, as of the last wait."""
        return self._gate

    def wait(self, seconds: float, reason: WaitingFor) -> Commands:
        """Wait up to `seconds` for news; note closed hours, and return new commands.

        Raises
        ------
        RedisFailure
            If `city:hourly` holds an entry that is not of the run.
        RushhourError
            As `publish` does, if it has to be written who is awaited.
        """
        self._health.beat()
        with _WAITING[reason] if seconds else _WAITING_FOR_REDIS:
            if 0 < seconds < _MILLISECOND_S:  # Redis blocks for whole milliseconds
                time.sleep(seconds)
            block = int(seconds * SECOND_MS) or None
            replies: Any = self._client.xread(self._last_ids, _ENTRIES_AT_ONCE, block)
        commands: list[tuple[str, Command | UsageError]] = []
        acks: list[tuple[str, Acknowledgement | UsageError]] = []
        last_closed = self._gate.last_closed
        for stream, entries in replies:
            self._last_ids[stream] = entries[-1][0]
            if stream == keys.CITY_HOURLY:
                for entry_id, _ in entries:
                    last_closed = check_entry(entry_id, self._run)
            elif stream == keys.ACKS:
                acks += [(entry_id, _read(Acknowledgement, fields)) for entry_id, fields in entries]
            else:
                commands += [(entry_id, _read(Command, fields)) for entry_id, fields in entries]
        self._gate.update(last_closed, acks)
        if self._gate.status != self._published_gate:
            self._publish_gate(self._gate.status)
        return commands

    def publish(self, status: ClockStatus, applied: Sequence[TimelineEntry] = ()) -> None:
        """Write the status to `sim:clock` and export it to Prometheus.

        Commands that have been processed since are added to `sim:timeline` in the same
        transaction, so that each is there once. They are deleted from the stream of commands, so
        that it does not grow.

        Raises
        ------
        RushhourError
            If another producer has taken over, or Redis has lost the run.
        """
        reach("producer.status")
        original_ts = self._run.original_ts(status.now_ts)
        status = replace(status, heartbeat_ts=wall_ts(), original_ts=original_ts)
        if applied:

            def queue(pipe: Pipeline) -> None:
                save_status(pipe, status)
                append_timeline(pipe, applied)

            self._fence.execute(self._client, queue)
        else:
            self._fence.write_hash(self._client, keys.CLOCK, status.to_fields())
        if status.command != self._trimmed_to:
            self._client.xtrim(keys.COMMANDS, minid=status.command, approximate=True)
            self._trimmed_to = status.command
        export(status, self._gate.last_closed + HOUR_MS)
        export_gate(self._gate.status, status.heartbeat_ts)

    def _publish_gate(self, status: GateStatus) -> None:
        """Write who is awaited to `sim:gate`; what has been acknowledged there is then deleted."""
        reach("producer.gate")
        self._fence.write_hash(self._client, keys.GATE, status.to_fields())
        if status.ack != self._published_gate.ack:
            self._client.xtrim(keys.ACKS, minid=status.ack, approximate=True)
        self._published_gate = status


def _read(kind: type[_E], fields: dict[str, str]) -> _E | UsageError:
    """Return an entry that any client may have written, or why it is none of its kind."""
    try:
        return kind.from_fields(fields)
    except UsageError as error:
        return error
