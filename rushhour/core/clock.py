"""The simulated clock as others see it: the commands that it takes, and what it says of itself."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, cast, get_args

from rushhour.core.errors import UsageError
from rushhour.core.hours import clock_label
from rushhour.core.speed import Speed

CommandName = Literal["pause", "resume", "speed"]


@dataclass(frozen=True, slots=True)
class Command:
    """One command to the simulated clock; `value` is the new speed for `speed`."""

    name: CommandName
    value: str = ""

    def __post_init__(self) -> None:
        if self.name not in get_args(CommandName):
            raise UsageError(f"'{self.name}' is not a command: {', '.join(get_args(CommandName))}")
        if self.name == "speed":
            Speed.parse(self.value)

    def to_fields(self) -> dict[str, str]:
        """Return the fields of the stream entry."""
        return {"command": self.name, "value": self.value}

    @classmethod
    def from_fields(cls, fields: dict[str, str]) -> "Command":
        """Read a stream entry, whoever wrote it.

        Raises
        ------
        UsageError
            If the entry is not a command.
        """
        return cls(cast(CommandName, fields.get("command", "")), fields.get("value", ""))


State = Literal["starting", "running", "throttled", "paused", "stopped", "finished"]


@dataclass(frozen=True, slots=True)
class ClockStatus:
    """Where the replay stands.

    `now_ts` is the simulated time (epoch ms) up to which trips are on the stream. `throttled`
    means that the line is slower than the asked speed, so simulated time slows down;
    `stopped`, that the run was ended before its time.
    `command` is the id of the last command obeyed; `command_error` says why one was not.
    `speed_setting` is the speed that the replay was started with, before any command.
    """

    now_ts: int
    speed: str
    state: State
    trips: int
    command: str = "0-0"
    command_error: str = ""
    speed_setting: str = ""

    def to_fields(self) -> dict[str, str | int]:
        """Return the status as the fields of a hash."""
        return {
            "now": clock_label(self.now_ts),
            "now_ts": self.now_ts,
            "speed": self.speed,
            "state": self.state,
            "trips": self.trips,
            "command": self.command,
            "command_error": self.command_error,
            "speed_setting": self.speed_setting,
        }

    @classmethod
    def from_fields(cls, fields: Mapping[str, str]) -> "ClockStatus | None":
        """Return the status that `to_fields` has written; None if the hash has none."""
        if "now_ts" not in fields:
            return None
        return cls(
            now_ts=int(fields["now_ts"]),
            speed=fields["speed"],
            state=fields["state"],  # type: ignore[arg-type]
            trips=int(fields["trips"]),
            command=fields["command"],
            command_error=fields["command_error"],
            speed_setting=fields["speed_setting"],
        )
