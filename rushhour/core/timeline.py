"""The timeline of a run: the commands that came to its clock, when, and what became of them."""

from collections.abc import Mapping
from dataclasses import dataclass

from rushhour.core.clock import CommandResult
from rushhour.core.hours import clock_label, floor_hour

# Entries that are kept of a run: the last ones. Their numbers say how many came before.
KEPT_ENTRIES = 10_000


@dataclass(frozen=True, slots=True)
class TimelineEntry:
    """A command to the clock of a run.

    `number` counts the commands of the run from 1. `id` is that of its entry in the stream of
    commands, and `command` and `value` what it said; both empty if it could not be read. `error` is
    why it was refused; empty if it was not. `now_ts` is the simulated time at which it was applied,
    `target_ts` where it led (both epoch ms).
    """

    number: int
    id: str
    command: str
    value: str
    error: str
    now_ts: int
    target_ts: int | None = None

    @classmethod
    def of(cls, number: int, result: CommandResult) -> "TimelineEntry":
        """Return the entry of a command, given what became of it."""
        command, _, value = result.command.partition(" ")
        return cls(number, result.id, command, value, result.error, result.now_ts, result.target_ts)

    @property
    def leads_back(self) -> bool:
        """Whether the run started over because of it."""
        applied = not self.error and self.command == "seek"
        return applied and self.target_ts is not None and self.target_ts < self.now_ts

    def result_at(self, now_ts: int) -> CommandResult:
        """Return what became of the command, if it is applied at another time (epoch ms)."""
        text = f"{self.command} {self.value}".rstrip()
        return CommandResult(self.id, text, self.error, now_ts, self.target_ts)

    def to_fields(self) -> dict[str, str | int]:
        """Return the entry as the fields of a stream entry."""
        return {
            "number": self.number,
            "id": self.id,
            "command": self.command,
            "value": self.value,
            "error": self.error,
            "now": clock_label(self.now_ts),
            "now_ts": self.now_ts,
            "target_ts": "" if self.target_ts is None else self.target_ts,
        }

    @classmethod
    def from_fields(cls, fields: Mapping[str, str]) -> "TimelineEntry":
        """Return the entry that `to_fields` has written.

        Raises
        ------
        KeyError, ValueError
            If a field is missing, or cannot be read.
        """
        target = fields["target_ts"]
        return cls(
            number=int(fields["number"]),
            id=fields["id"],
            command=fields["command"],
            value=fields["value"],
            error=fields["error"],
            now_ts=int(fields["now_ts"]),
            target_ts=int(target) if target else None,
        )


@dataclass(frozen=True, slots=True)
class Schedule:
    """What a run repeats of another one: its commands, and where it ended.

    Commands are told at their simulated time, in their order. Only a `seek` back is obeyed, for
    the others change nothing but the pace. `stop_at` is where the run stops (epoch ms); None if it
    goes to its last hour. `told` below is the number of commands that were told before.
    """

    entries: tuple[TimelineEntry, ...] = ()
    stop_at: int | None = None

    def due(self, told: int, position: int) -> TimelineEntry | None:
        """Return the next command if it is due at a simulated time (epoch ms)."""
        left = self.entries[told : told + 1]
        if left and (position >= left[0].now_ts or self.stops(told, position)):
            return left[0]
        return None

    def stops(self, told: int, position: int) -> bool:
        """Whether the run ends at a simulated time (epoch ms), unless it has yet to start over."""
        if self.stop_at is None or position < self.stop_at:
            return False
        return not any(entry.leads_back for entry in self.entries[told:])

    def limit(self, told: int, position: int, slice_end: int) -> int:
        """Return the end of a slice from `position` on that passes nothing of the schedule."""
        ahead = [entry.now_ts for entry in self.entries[told : told + 1]]
        if self.stop_at is not None:
            ahead.append(self.stop_at)
        return min((slice_end, *(at for at in ahead if at > position)))


def stop_of(closed_until: int, now_ts: int) -> int:
    """Return where a run ends that repeats one which was stopped (epoch ms).

    Parameters
    ----------
    closed_until
        End of the last closed hour of that run (epoch ms).
    now_ts
        Its simulated time. It counts if it is within the hour that was open; a run that was
        interrupted, or whose producer was killed, had not closed every hour that had passed.
    """
    return now_ts if floor_hour(now_ts) == closed_until else closed_until
