"""Run the command of `--on-hour` after each closed hour, and acknowledge the hour when it is done.

A command that fails pauses the clock. When the clock is resumed, it runs again for the same hour,
unless the hour has been acknowledged by other means.
"""

import os
import signal
import time
from contextlib import suppress
from pathlib import Path
from typing import Any, cast

import redis

from rushhour.core import keys
from rushhour.core.clock import Command
from rushhour.core.entry_ids import entry_order
from rushhour.core.errors import RushhourError, UsageError
from rushhour.core.foreign import shown
from rushhour.core.gate import ON_HOUR, HourCommand
from rushhour.core.hours import HOUR_MS, clock_label, hour_label, parse_seconds
from rushhour.core.settings import PREFIX, Settings
from rushhour.runtime.wall_clock import wall_ts
from rushhour.simulator.stack.child_process import ChildProcess
from rushhour.storage.clock import load_status
from rushhour.storage.gate import acknowledge, load_gate, save_hour_command

_TAIL_BYTES = 8_192
_LAST_LINES = 5  # of what the command has printed, in the status
_LINE = 200  # their length
_LOG = "on-hour.log"
_STOP_S = 5.0
_AGAIN_S = 1.0  # an acknowledgement that has not been read is repeated after this time

VARIABLE = f"{PREFIX}HOUR"


class HourRunner:
    """Runs a command for each hour that its gate is asked for, one at a time.

    Parameters
    ----------
    client
        Client of Redis.
    settings
        The command, its time, and the servers of the run, whose addresses it gets.
    directory
        Where the log of its last run is kept.
    """

    def __init__(self, client: redis.Redis, settings: Settings, directory: Path) -> None:
        self._client = client
        self._settings = settings
        self._timeout_s = parse_seconds(settings.on_hour_timeout)
        self._directory = directory
        self._running: _Run | None = None
        self._failed: HourCommand | None = None
        self._pause_id = ""
        self._done: tuple[int, float] | None = None

    def update(self) -> str | None:
        """Look after the command: start it, or end it; return why it failed if it has just done so.

        Does not wait for anything but Redis.
        """
        if self._running is not None:
            return self._watch(self._running)
        if self._failed is not None and not self._may_try_again(self._failed):
            return None
        hour = self._asked_hour()
        if hour is not None:
            return self._start(hour)
        return None

    def stop(self) -> None:
        """End the command if it runs; its hour stays open."""
        if self._running is not None:
            self._running.stop()
            self._running = None
            with suppress(redis.RedisError):
                save_hour_command(self._client, None)

    def _asked_hour(self) -> int | None:
        """Return the closed hour that the clock waits with; None if it does not."""
        status = load_gate(self._client)
        if ON_HOUR not in status.awaited:
            return None
        if self._done is not None and self._done[0] == status.hour_ts:
            self._repeat(*self._done)
            return None
        return status.hour_ts

    def _repeat(self, hour: int, acknowledged_at: float) -> None:
        """Acknowledge an hour again if nobody has noted it: Redis may have lost it."""
        if time.monotonic() - acknowledged_at > _AGAIN_S:
            self._acknowledge(hour)

    def _acknowledge(self, hour: int) -> None:
        acknowledge(self._client, ON_HOUR, hour)
        self._done = (hour, time.monotonic())

    def _start(self, hour: int) -> str | None:
        command = self._settings.on_hour
        shown_command = HourCommand(command, hour, "running", wall_ts())
        save_hour_command(self._client, shown_command)
        try:
            self._running = _Run(shown_command, self._settings, self._directory / _LOG)
        except RushhourError as error:
            return self._fail(shown_command, str(error), "")
        return None

    def _watch(self, run: "_Run") -> str | None:
        code = run.poll()
        if code is None and run.seconds <= self._timeout_s:
            return None
        if code is None:
            run.stop()
            reason = f"did not end within {self._settings.on_hour_timeout}"
        elif code < 0:
            reason = f"was killed by signal {-code}"
        else:
            reason = f"ended with exit code {code}"
        self._running = None
        if code == 0:
            self._acknowledge(run.command.hour_ts)
            save_hour_command(self._client, None)
            return None
        return self._fail(run.command, reason, run.last_lines())

    def _fail(self, command: HourCommand, reason: str, output: str) -> str:
        """Pause the clock, and note what failed."""
        self._failed = command.failed(reason, output)
        fields: dict[Any, Any] = dict(Command("pause").to_fields())
        self._pause_id = cast(str, self._client.xadd(keys.COMMANDS, fields))
        save_hour_command(self._client, self._failed)
        hour = clock_label(command.hour_ts)
        last = output.rpartition("\n")[2]
        return (
            f"the command of --on-hour {reason} for {hour}{f': {last}' if last else ''} "
            f"(log: {self._directory / _LOG}): the clock is paused: `rushhour resume` runs it "
            f"again, `rushhour ack {ON_HOUR}` passes over the hour"
        )

    def _may_try_again(self, failed: HourCommand) -> bool:
        """Whether the clock was resumed since the failure, or somebody acknowledged the hour."""
        status = load_status(self._client)
        gate = load_gate(self._client)
        resumed = (
            status is not None
            and entry_order(status.command) >= entry_order(self._pause_id)
            and status.state != "paused"
        )
        if not resumed and gate.acknowledged.get(ON_HOUR, -1) < failed.hour_ts:
            return False
        self._failed = None
        save_hour_command(self._client, None)
        return True


class _Run:
    """One run of the command, in a session of its own."""

    def __init__(self, command: HourCommand, settings: Settings, log: Path) -> None:
        self.command = command
        self._began = time.monotonic()
        labels = {
            "{hour}": hour_label(command.hour_ts),
            "{next_hour}": hour_label(command.hour_ts + HOUR_MS),
        }
        line = command.command
        for placeholder, label in labels.items():
            line = line.replace(placeholder, label)
        environment = settings.servers_as_environment() | {VARIABLE: labels["{hour}"]}
        self._process = ChildProcess("command of --on-hour", ["sh", "-c", line], log, environment)

    @property
    def seconds(self) -> float:
        """For how long it has run."""
        return time.monotonic() - self._began

    def poll(self) -> int | None:
        """Return the exit code; None while it runs."""
        return self._process.poll()

    def stop(self) -> None:
        """End the command and all processes that it has started: SIGTERM, then SIGKILL."""
        for sign in (signal.SIGTERM, signal.SIGKILL):
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(self._process.pid, sign)
            if self._process.wait(_STOP_S):
                break
        with suppress(ProcessLookupError, PermissionError):  # what the shell has left behind
            os.killpg(self._process.pid, signal.SIGKILL)

    def last_lines(self) -> str:
        """Return the last lines that it has printed, without control characters."""
        try:
            with self._process.log.open("rb") as log:
                log.seek(max(0, log.seek(0, os.SEEK_END) - _TAIL_BYTES))
                text = log.read().decode("utf-8", "replace")
        except OSError:
            return ""
        lines = [line.rstrip() for line in text.splitlines() if line.strip()]
        return "\n".join(shown(line, _LINE) for line in lines[-_LAST_LINES:])


def check_on_hour(settings: Settings) -> None:
    """Check that the command of `--on-hour` can be used.

    Raises
    ------
    UsageError
        If a gate has the name that stands for it.
    """
    if not settings.on_hour and ON_HOUR in settings.gates:
        raise UsageError(
            f"gate '{ON_HOUR}' is that of the command of --on-hour: give one, or choose another "
            "name for --gate"
        )
