"""The replay: sends trips when they are due, ticks between them, and applies commands.

Pacing is absolute: each slice of simulated time is due at a wall time that the clock computes.
The loop is closed: the replay stays within `ahead_hours` of the last hour that the consumer has
written, so a slow pipeline slows simulated time down and no backlog grows.
"""

import logging
import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from producers.pacing.clock import SimClock
from producers.pacing.course import Course
from producers.pacing.ports import Control, Stream, WaitingFor
from rushhour.core.clock import KEPT_RESULTS, ClockStatus, Command, CommandResult, State
from rushhour.core.errors import UsageError
from rushhour.core.hours import DAY_MS, HOUR_MS, SECOND_MS, clock_label, floor_hour
from rushhour.core.speed import Speed
from rushhour.core.timeline import Schedule, TimelineEntry

# Length of a slice in wall time: no trip is sent later than this after it is due.
_SLICE_S = 0.05
# Interval at which commands are polled and the status is published.
_POLL_INTERVAL_S = 0.1
# Further behind schedule than this, the clock is rebased instead of catching up.
_MAX_LATE_S = 1.0
# Throttling has ended once it has not occurred for this long: keeps the log short.
_UNTHROTTLED_S = 1.0

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Plan:
    """What to replay: [`start_ts`, `end_ts`), whole hours in epoch ms.

    A new run is at full speed until `start_at`, and if it begins `paused`, it pauses there. With
    `can_start_over`, somebody starts the run over if a command leads back. `schedule` is what is
    repeated of another run.
    """

    start_ts: int
    end_ts: int
    speed: Speed
    ahead_hours: int
    start_at: int | None = None
    paused: bool = False
    can_start_over: bool = False
    schedule: Schedule = field(default_factory=Schedule)


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
        After a restart: the last published status. Its speed, its pause and what commands have set
        ahead are kept, but for the speed if that of the plan differs from the one that the replay
        was started with.
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
        self._schedule = plan.schedule
        self._position = plan.start_ts if resume_at is None else resume_at
        setting = str(plan.speed)
        keeps_speed = status is not None and status.speed_setting == setting
        speed = Speed.parse(status.speed) if status is not None and keeps_speed else plan.speed
        clock = SimClock(wall(), self._position, speed)
        self._course = _course(plan, clock, status)
        self._ending: State | None = None
        self._polled_at = -math.inf
        self._throttled = False
        self._throttled_at = -math.inf
        self._logged_throttling = False
        self._status = replace(
            status or ClockStatus(plan.start_ts, setting, "starting", 0), speed_setting=setting
        )
        self._unpublished: list[TimelineEntry] = []
        if self._status.start_over_ts is not None:
            self._ending = "starting"

    @property
    def clock(self) -> SimClock:
        """The current simulated clock."""
        return self._course.clock

    def run(self) -> None:
        """Replay to the end, or until a command ends it; return when all is on the broker."""
        self._stream.send_tick(self._position)
        while self._position < self._plan.end_ts and self._ending is None:
            self._step()
        self._repeat()
        if self._ending is not None:
            self._stream.flush()
            self._publish(self._ending)
            _log.info("%s at %s", self._ending, clock_label(self._position))
            return
        self._stream.send_tick(self._plan.end_ts, final=True)
        self._stream.flush()
        while self._ending is None and self._control.gate.holds(self._plan.end_ts):
            self._poll_control(_POLL_INTERVAL_S, "gate")
        state: State = self._ending or "finished"
        self._publish(state)
        _log.info("%s: %s trips sent", state, f"{self._status.trips:,}")

    def _step(self) -> None:
        now = self._wall()
        if now - self._polled_at >= _POLL_INTERVAL_S:
            self._poll_control(0.0)
        self._repeat()
        if self._ending is not None:
            return
        clock = self._course.clock
        slice_end = next_slice_end(self._position, clock.speed, self._plan.end_ts)
        slice_end = self._course.limit(slice_end)
        slice_end = self._schedule.limit(self._status.repeated, self._position, slice_end)
        due = clock.wall_at(slice_end)
        if now < due:
            self._poll_control(min(due - now, _POLL_INTERVAL_S))
        elif self._is_too_far_ahead(slice_end):
            self._throttled = True
            self._poll_control(_POLL_INTERVAL_S, "closed_hours")
            self._rebase(self._wall())
        elif self._control.gate.holds(self._position):
            self._poll_control(_POLL_INTERVAL_S, "gate")
            self._rebase(self._wall())
        else:
            self._throttled = self._throttled and now - due > _SLICE_S
            self._emit_until(slice_end)
            if now - due > _MAX_LATE_S and not clock.speed.is_max:
                self._throttled = True
                self._rebase(now)
            self._arrive()

    def _arrive(self) -> None:
        """Publish at once that the clock has come to where a command leads."""
        ahead = self._course
        self._course = ahead.arrive(self._position, self._wall())
        if self._course is not ahead and self._position < self._plan.end_ts:
            self._polled_at = self._wall()
            self._publish(self._state())

    def _rebase(self, wall: float) -> None:
        clock = self._course.clock.rebase(self._position, wall)
        self._course = replace(self._course, clock=clock)

    def _emit_until(self, slice_end: int) -> None:
        if self._position % HOUR_MS == 0:
            self._stream.send_hour_start(self._position)
        self._stream.send_trips(self._position, slice_end)
        self._position = slice_end
        if slice_end % HOUR_MS == 0 and slice_end < self._plan.end_ts:
            self._stream.send_tick(slice_end)
        if slice_end % DAY_MS == 0:
            sent = self._stream.trips_before(slice_end)
            _log.info("simulated %s: %s trips sent", clock_label(slice_end), f"{sent:,}")

    def _is_too_far_ahead(self, slice_end: int) -> bool:
        hour = floor_hour(slice_end - 1)
        return hour - self._control.gate.last_closed > self._plan.ahead_hours * HOUR_MS

    def _poll_control(self, seconds: float, reason: WaitingFor = "clock") -> None:
        """Wait up to `seconds` for news, apply commands, publish the status."""
        commands = self._control.wait(seconds, reason)
        for command_id, command in commands:
            self._apply(command_id, command)
        now = self._wall()
        if commands or now - self._polled_at >= _POLL_INTERVAL_S:
            self._polled_at = now
            self._publish(self._state())
            self._log_throttling(now)

    def _apply(self, command_id: str, command: Command | UsageError) -> None:
        error, target, position = "", None, self._position
        try:
            if isinstance(command, UsageError):
                raise command
            if self._ending is not None:
                raise UsageError(f"{command}: the run is being ended")
            if command.name == "stop":
                self._ending = "stopped"
            elif command.name == "seek" and command.target_ts < position:
                self._start_over(command)
            else:
                self._course = self._course.apply(command, position, self._wall())
            target = self._course.target_of(command)
        except UsageError as refusal:
            error = str(refusal)
            _log.warning("command %s refused: %s", command_id, error)
        else:
            _log.info("command %s applied: %s", command_id, command)
        self._note(CommandResult(command_id, _text(command), error, position, target))
        self._status = replace(self._status, command=command_id, command_error=error)

    def _note(self, result: CommandResult) -> None:
        """Keep what became of a command until it is published."""
        entry = TimelineEntry.of(self._status.commands + 1, result)
        self._unpublished.append(entry)
        results = (*self._status.results, result)[-KEPT_RESULTS:]
        self._status = replace(self._status, results=results, commands=entry.number)

    def _repeat(self) -> None:
        """Tell the commands of the repeated run that are due, and end where it ended."""
        schedule, position = self._schedule, self._position
        while self._ending is None:
            entry = schedule.due(self._status.repeated, position)
            if entry is None:
                break
            self._note(entry.result_at(position))
            self._status = replace(self._status, repeated=self._status.repeated + 1)
            if entry.leads_back:
                self._ending = "starting"
                self._status = replace(self._status, start_over_ts=entry.target_ts)
                self._course = replace(self._course, fast_until=entry.target_ts)
            _log.info("command %s repeated: %s %s", entry.id, entry.command, entry.value)
        if self._ending is None and schedule.stops(self._status.repeated, position):
            self._ending = "stopped"
        if self._unpublished:
            self._publish(self._state())

    def _start_over(self, command: Command) -> None:
        target = command.target_ts
        if target < self._plan.start_ts:
            raise UsageError(
                f"{command} is before the start of the run, {clock_label(self._plan.start_ts)}"
            )
        if not self._plan.can_start_over:
            raise UsageError(
                f"{command} is in the past (simulated time is {clock_label(self._position)}), and "
                "only a run of `rushhour up` goes back: start yours over with `rushhour prepare "
                "--new` and RUSHHOUR_START_AT"
            )
        self._ending = "starting"
        self._status = replace(self._status, start_over_ts=target)
        stands_still = self._course.clock.paused
        self._course = replace(
            self._course,
            pause_at=target if stands_still else self._course.pause_at,
            fast_until=target,
        )

    def _state(self) -> State:
        if self._course.clock.paused:
            return "paused"
        if self._control.gate.is_awaited:
            return "waiting"
        is_max = self._course.clock.speed.is_max
        return "throttled" if self._throttled and not is_max else "running"

    def _log_throttling(self, now: float) -> None:
        if self._state() == "throttled":
            self._throttled_at = now
            if not self._logged_throttling:
                self._logged_throttling = True
                _log.warning(
                    "throttled at %s: the pipeline is slower than %s",
                    clock_label(self._position),
                    self._course.speed,
                )
        elif self._logged_throttling and now - self._throttled_at > _UNTHROTTLED_S:
            self._logged_throttling = False
            _log.info("no longer throttled at %s", clock_label(self._position))

    def _publish(self, state: State) -> None:
        self._status = replace(
            self._status,
            now_ts=self._position,
            speed=str(self._course.speed),
            state=state,
            trips=self._stream.trips_before(self._position),
            pause_at_ts=self._course.pause_at,
            fast_until_ts=self._course.fast_until,
        )
        self._control.publish(self._status, tuple(self._unpublished))
        self._unpublished.clear()


def _course(plan: Plan, clock: SimClock, status: ClockStatus | None) -> Course:
    """Return the course on which a replay begins, or goes on after a restart."""
    position = clock.anchor_sim
    if status is None:
        pause_at = max(position, plan.start_at or position) if plan.paused else None
        return Course.begin(clock, plan.end_ts, pause_at=pause_at, fast_until=plan.start_at)
    pause_at, fast_until = status.pause_at_ts, status.fast_until_ts
    if status.state == "paused":
        # A clock that stands still does not go back: what it had sent is sent again at once.
        stood_at = status.now_ts if position <= status.now_ts < plan.end_ts else position
        pause_at = fast_until = stood_at
    return Course.begin(clock, plan.end_ts, pause_at=pause_at, fast_until=fast_until)


def _text(command: Command | UsageError) -> str:
    return "" if isinstance(command, UsageError) else str(command)


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
