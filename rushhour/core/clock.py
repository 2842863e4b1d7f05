"""The interface of the simulated clock: the commands that it accepts, and its status."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, cast, get_args

from rushhour.core.errors import UsageError
from rushhour.core.hours import clock_label
from rushhour.core.speed import Speed

CommandName = Literal["pause", "resume", "speed"]


@dataclass(frozen=True, slots=True)
class Command:
    """One command to the simulated clock; `value` is the new speed of the command `speed`."""

    name: CommandName
    value: str = ""

    def __post_init__(self) -> None:
        if self.name not in get_args(CommandName):
            raise UsageError(
                f"unknown command '{self.name}': use {', '.join(get_args(CommandName))}"
            )
        if self.name == "speed":
            Speed.parse(self.value)

    def to_fields(self) -> dict[str, str]:
        """Return the command as the fields of a stream entry."""
        return {"command": self.name, "value": self.value}

    @classmethod
    def from_fields(cls, fields: dict[str, str]) -> "Command":
        """Read a stream entry; any client may have written it.

        Raises
        ------
        UsageError
            If the entry is not a valid command.
        """
        return cls(cast(CommandName, fields.get("command", "")), fields.get("value", ""))

    def __str__(self) -> str:
        return f"{self.name} {self.value}".rstrip()


State = Literal["starting", "running", "throttled", "paused", "stopped", "finished"]


@dataclass(frozen=True, slots=True)
class ClockStatus:
    """The status of the replay.

    `now_ts` is the simulated time (epoch ms) up to which trips have been sent. In the state
    `throttled`, the pipeline is slower than `speed` and simulated time slows down; in `stopped`,
    the run was ended before its last hour. `command` is the id of the last command processed,
    `command_error` the reason if it was refused. `speed_setting` is the speed that the replay was
    started with, before any command.
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
        """Return the status that `to_fields` has written; None if there is none."""
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
