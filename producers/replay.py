"""The replay: sends trips when they are due, ticks between them, and applies commands.

Pacing is absolute: each slice of simulated time is due at a wall time that the clock computes.
The loop is closed: the replay stays within `ahead_hours` of the last hour that the consumer has
written, so a slow pipeline slows simulated time down and no backlog grows.
"""

import logging
import math
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Literal, Protocol

from producers.clock import SimClock
from rushhour.core.clock import ClockStatus, Command, State
from rushhour.core.errors import UsageError
from rushhour.core.hours import DAY_MS, HOUR_MS, SECOND_MS, clock_label, floor_hour
from rushhour.core.speed import Speed

# Length of a slice in wall time: no trip is sent later than this after it is due.
_SLICE_S = 0.05
# Interval at which commands are polled and the status is published.
_POLL_INTERVAL_S = 0.1
# Further behind schedule than this, the clock is rebased instead of catching up.
_MAX_LATE_S = 1.0
# Throttling has ended once it has not occurred for this long: keeps the log short.
_UNTHROTTLED_S = 1.0

_log = logging.getLogger(__name__)


# What the replay waits for: its next slice to be due, or hours that it is ahead of to be closed.
WaitingFor = Literal["clock", "closed_hours"]


@dataclass(frozen=True, slots=True)
class Updates:
    """News from Redis: commands with their ids, and the last closed hour (epoch ms)."""

    commands: tuple[tuple[str, Command | UsageError], ...] = ()
    last_closed: int | None = None


class Control(Protocol):
    """The Redis side of the replay."""

    def wait(self, seconds: float, reason: WaitingFor) -> Updates:
        """Return news, waiting up to `seconds` for the first."""

    def publish(self, status: ClockStatus) -> None:
        """Publish the status of the clock."""


class Stream(Protocol):
    """The Kafka side of the replay."""

    def send_trips(self, start_ts: int, end_ts: int) -> None:
        """Send the trips of [`start_ts`, `end_ts`), epoch ms."""

    def send_tick(self, hour_ts: int, *, final: bool = False) -> None:
        """Send a tick to every partition; `final` at the end of the run."""

    def flush(self) -> None:
        """Wait until every message is on the broker."""

    def trips_before(self, ts: int) -> int:
        """Return the number of trips of the run before an instant (epoch ms)."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What to replay: [`start_ts`, `end_ts`), whole hours in epoch ms."""

    start_ts: int
    end_ts: int
    speed: Speed
    ahead_hours: int


class Replay:
    """Walks simulated time from the start of a plan to its end.

    Parameters
    ----------
    plan
        What to replay, and how fast.
    stream
        Where trips and ticks are sent.
    control
        Where commands and closed hours come from, and where the status goes.
    wall
        Wall clock in seconds, monotonic.
    resume_at
        After a restart: the end of the last closed hour (epoch ms). All trips before it have been
        counted. Trips after it that were already sent are sent again with the same `seq`, and
        counted once downstream.
    status
        After a restart: the last published status. Its speed and pause are kept, unless the speed
        of the plan differs from the one that the replay was started with.
    """

    def __init__(
        self,
        plan: Plan,
        stream: Stream,
        control: Control,
        wall: Callable[[], float] = time.monotonic,
        resume_at: int | None = None,
        status: ClockStatus | None = None,
    ) -> None:
        self._plan = plan
        self._stream = stream
        self._control = control
        self._wall = wall
        self._position = plan.start_ts if resume_at is None else resume_at
        self._last_closed = self._position - HOUR_MS
        setting = str(plan.speed)
        keeps_speed = status is not None and status.speed_setting == setting
        speed = Speed.parse(status.speed) if status is not None and keeps_speed else plan.speed
        paused = status is not None and status.state == "paused"
        self._clock = SimClock(wall(), self._position, speed, paused)
        self._polled_at = -math.inf
        self._throttled = False
        self._throttled_at = -math.inf
        self._logged_throttling = False
        self._status = replace(
            status or ClockStatus(plan.start_ts, setting, "starting", 0), speed_setting=setting
        )

    @property
    def clock(self) -> SimClock:
        """The current simulated clock."""
        return self._clock

    def run(self) -> None:
        """Replay to the end; return when every message is on the broker."""
        self._stream.send_tick(self._position)
        while self._position < self._plan.end_ts:
            self._step()
        self._stream.send_tick(self._plan.end_ts, final=True)
        self._stream.flush()
        self._publish("finished")
        _log.info("finished: %s trips sent", f"{self._status.trips:,}")

    def _step(self) -> None:
        now = self._wall()
        if now - self._polled_at >= _POLL_INTERVAL_S:
            self._poll_control(0.0)
        slice_end = next_slice_end(self._position, self._clock.speed, self._plan.end_ts)
        due = self._clock.wall_at(slice_end)
        if now < due:
            self._poll_control(min(due - now, _POLL_INTERVAL_S))
        elif self._is_too_far_ahead(slice_end):
            self._throttled = True
            self._poll_control(_POLL_INTERVAL_S, "closed_hours")
            self._clock = self._clock.rebase(self._position, self._wall())
        else:
            self._throttled = self._throttled and now - due > _SLICE_S
            self._emit_until(slice_end)
            if now - due > _MAX_LATE_S and not self._clock.speed.is_max:
                self._throttled = True
                self._clock = self._clock.rebase(self._position, now)

    def _emit_until(self, slice_end: int) -> None:
        self._stream.send_trips(self._position, slice_end)
        self._position = slice_end
        if slice_end % HOUR_MS == 0 and slice_end < self._plan.end_ts:
            self._stream.send_tick(slice_end)
        if slice_end % DAY_MS == 0:
            sent = self._stream.trips_before(slice_end)
            _log.info("simulated %s: %s trips sent", clock_label(slice_end), f"{sent:,}")

    def _is_too_far_ahead(self, slice_end: int) -> bool:
        hour = floor_hour(slice_end - 1)
        return hour - self._last_closed > self._plan.ahead_hours * HOUR_MS

    def _poll_control(self, seconds: float, reason: WaitingFor = "clock") -> None:
        """Wait up to `seconds` for news, apply commands, publish the status."""
        updates = self._control.wait(seconds, reason)
        if updates.last_closed is not None:
            self._last_closed = updates.last_closed
        for command_id, command in updates.commands:
            self._apply(command_id, command)
        now = self._wall()
        if updates.commands or now - self._polled_at >= _POLL_INTERVAL_S:
            self._polled_at = now
            self._publish(self._state())
            self._log_throttling(now)

    def _apply(self, command_id: str, command: Command | UsageError) -> None:
        now = self._wall()
        error = ""
        if self._clock.speed.is_max:
            self._clock = self._clock.rebase(self._position, now)
        if isinstance(command, UsageError):
            error = str(command)
        elif command.name == "pause":
            self._clock = self._clock.pause(now)
        elif command.name == "resume":
            self._clock = self._clock.resume(now)
        else:
            self._clock = self._clock.at_speed(Speed.parse(command.value), now)
        if error:
            _log.warning("command %s refused: %s", command_id, error)
        else:
            _log.info("command %s applied: %s", command_id, command)
        self._status = replace(self._status, command=command_id, command_error=error)

    def _state(self) -> State:
        if self._clock.paused:
            return "paused"
        return "throttled" if self._throttled and not self._clock.speed.is_max else "running"

    def _log_throttling(self, now: float) -> None:
        if self._state() == "throttled":
            self._throttled_at = now
            if not self._logged_throttling:
                self._logged_throttling = True
                _log.warning(
                    "throttled at %s: the pipeline is slower than %s",
                    clock_label(self._position),
                    self._clock.speed,
                )
        elif self._logged_throttling and now - self._throttled_at > _UNTHROTTLED_S:
            self._logged_throttling = False
            _log.info("no longer throttled at %s", clock_label(self._position))

    def _publish(self, state: State) -> None:
        self._status = replace(
            self._status,
            now_ts=self._position,
            speed=str(self._clock.speed),
            state=state,
            trips=self._stream.trips_before(self._position),
        )
        self._control.publish(self._status)


def next_slice_end(position: int, speed: Speed, end_ts: int) -> int:
    """Return the end of the slice that starts at `position`; no slice spans two hours.

    >>> from rushhour.core.speed import MAX, Speed
    >>> next_slice_end(0, MAX, 10**9), next_slice_end(0, Speed(3600.0), 10**9)
    (3600000, 180000)
    """
    hour_end = floor_hour(position) + HOUR_MS
    if speed.is_max:
        return min(hour_end, end_ts)
    length = max(1, math.floor(speed.factor * _SLICE_S * SECOND_MS))
    return min(position + length, hour_end, end_ts)
