"""Where the simulated clock goes: its speed, and what commands have it do on the way."""

from dataclasses import dataclass, replace

from producers.pacing.clock import SimClock
from rushhour.core.clock import Command
from rushhour.core.errors import UsageError
from rushhour.core.hours import HOUR_MS, clock_label, floor_hour
from rushhour.core.speed import MAX, Speed


@dataclass(frozen=True, slots=True)
class Course:
    """The clock of a replay, and the two instants that commands may have set ahead of it.

    Immutable: each command returns a new course. Every command but `speed` takes the place of the
    one that is under way.

    Parameters
    ----------
    clock
        The clock; at full speed before `fast_until`, else at `speed`.
    speed
        The speed that was asked for.
    end_ts
        End of the run.
    pause_at
        Where the clock pauses (epoch ms); None if it does not.
    fast_until
        Where the clock returns from full speed to `speed` (epoch ms); None if it is there.
    """

    clock: SimClock
    speed: Speed
    end_ts: int
    pause_at: int | None = None
    fast_until: int | None = None

    @classmethod
    def begin(
        cls,
        clock: SimClock,
        end_ts: int,
        *,
        pause_at: int | None = None,
        fast_until: int | None = None,
    ) -> "Course":
        """Return the course of a clock that stands at its anchor."""
        course = cls(clock, clock.speed, end_ts)
        if pause_at is not None or fast_until is not None:
            course = course._toward(pause_at, fast_until, clock.anchor_sim, clock.anchor_wall)
        return course.arrive(clock.anchor_sim, clock.anchor_wall)

    def apply(self, command: Command, position: int, wall: float) -> "Course":
        """Return the course after a command.

        Parameters
        ----------
        command
            Any but `stop` and a `seek` back, which end the replay.
        position
            Simulated time up to which trips have been sent (epoch ms).
        wall
            Wall time, seconds.

        Raises
        ------
        UsageError
            If the clock cannot do it from where it is: nothing changes.
        """
        here = self
        if self.clock.speed.is_max:
            here = replace(self, clock=self.clock.rebase(position, wall))
        course = here._apply(command, position, wall)
        return course.arrive(position, wall)

    def arrive(self, position: int, wall: float) -> "Course":
        """Return the course once trips have been sent up to `position`."""
        course = self
        if course.fast_until is not None and position >= course.fast_until:
            clock = course.clock.rebase(position, wall).at_speed(course.speed, wall)
            course = replace(course, clock=clock, fast_until=None)
        if course.pause_at is not None and position >= course.pause_at:
            clock = course.clock.rebase(position, wall).pause(wall)
            course = replace(course, clock=clock, pause_at=None)
        return course

    def limit(self, slice_end: int) -> int:
        """Return the end of a slice that does not pass what lies ahead."""
        return min(at for at in (slice_end, self.pause_at, self.fast_until) if at is not None)

    def target_of(self, command: Command) -> int | None:
        """Return where a command that was applied last leads (epoch ms); None if nowhere."""
        if command.name == "step":
            return self.pause_at
        return command.target_ts if command.name in {"until", "seek"} else None

    def _apply(self, command: Command, position: int, wall: float) -> "Course":
        match command.name:
            case "pause":
                course = self._at_speed(wall)
                return replace(course, clock=course.clock.pause(wall))
            case "resume":
                course = self._at_speed(wall)
                return replace(course, clock=course.clock.resume(wall))
            case "speed":
                return self._with_speed(Speed.parse(command.value), wall)
            case "step":
                target = floor_hour(position) + command.hours * HOUR_MS
                if target > self.end_ts:
                    left = (self.end_ts - floor_hour(position)) // HOUR_MS
                    raise UsageError(
                        f"{command} goes beyond the end of the run, {clock_label(self.end_ts)}: "
                        f"{left} h are left"
                    )
                return self._toward(target, target, position, wall)
            case "until":
                target = self._ahead(command, position, after=True)
                fast_until = None if self.fast_until is None else min(self.fast_until, target)
                return self._toward(target, fast_until, position, wall)
            case "seek":
                target = self._ahead(command, position, after=False)
                pause_at = target if self.clock.paused else self.pause_at
                if pause_at is not None:
                    pause_at = max(pause_at, target)
                return self._toward(pause_at, target, position, wall)
            case _:
                raise UsageError(f"the clock has no command '{command}'")

    def _ahead(self, command: Command, position: int, *, after: bool) -> int:
        """Return the hour of a command if the run still comes to it."""
        target = command.target_ts
        if target > self.end_ts:
            raise UsageError(
                f"{command} is after the end of the run, {clock_label(self.end_ts)}: nothing to do"
            )
        if target < position or (after and target == position):
            raise UsageError(f"{command} is in the past: simulated time is {clock_label(position)}")
        return target

    def _toward(
        self, pause_at: int | None, fast_until: int | None, position: int, wall: float
    ) -> "Course":
        """Return the running course with other instants ahead."""
        course = self._at_speed(wall)
        clock = course.clock.resume(wall)
        if fast_until is not None:
            clock = clock.rebase(position, wall).at_speed(MAX, wall)
        return replace(course, clock=clock, pause_at=pause_at, fast_until=fast_until)

    def _at_speed(self, wall: float) -> "Course":
        """Return the course at the speed that was asked for, with nothing ahead."""
        clock = self.clock if self.fast_until is None else self.clock.at_speed(self.speed, wall)
        return replace(self, clock=clock, pause_at=None, fast_until=None)

    def _with_speed(self, speed: Speed, wall: float) -> "Course":
        clock = self.clock if self.fast_until is not None else self.clock.at_speed(speed, wall)
        return replace(self, clock=clock, speed=speed)
