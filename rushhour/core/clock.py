"""The interface of the simulated clock: the commands that it accepts, and its status."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, cast, get_args

from rushhour.core.errors import UsageError
from rushhour.core.foreign import shown
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
                f"unknown command '{shown(self.name)}': use {', '.join(get_args(CommandName))}"
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


_ENTRY_ID = re.compile(r"\d+-\d+", re.ASCII)

State = Literal["starting", "running", "throttled", "paused", "stopped", "finished"]
ENDED: frozenset[str] = frozenset[State]({"stopped", "finished"})


@dataclass(frozen=True, slots=True)
class ClockStatus:
    """The status of the replay.

    `now_ts` is the simulated time (epoch ms) up to which trips have been sent. In the state
    `throttled`, the pipeline is slower than `speed` and simulated time slows down; in `stopped`,
    the run was ended before its last hour. `command` is the id of the last command processed,
    `command_error` the reason if it was refused. `speed_setting` is the speed that the replay was
    started with, before any command. `heartbeat_ts` is the wall time (epoch ms) at which the status
    was written; a producer that lives writes it several times a second.
    """

    now_ts: int
    speed: str
    state: State
    trips: int
    command: str = "0-0"
    command_error: str = ""
    speed_setting: str = ""
    heartbeat_ts: int = 0

    @property
    def has_ended(self) -> bool:
        """Whether the producer is done with the run."""
        return self.state in ENDED

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
            "heartbeat_ts": self.heartbeat_ts,
        }

    @classmethod
    def from_fields(cls, fields: Mapping[str, str]) -> "ClockStatus | None":
        """Return the status that `to_fields` has written; None if there is none.

        A status that cannot be read, because another client has changed it, counts as none.
        """
        try:
            return cls._read(fields)
        except (KeyError, ValueError):
            return None

    @classmethod
    def _read(cls, fields: Mapping[str, str]) -> "ClockStatus":
        if fields["state"] not in get_args(State) or not _ENTRY_ID.fullmatch(fields["command"]):
            raise ValueError
        return cls(
            now_ts=int(fields["now_ts"]),
            speed=fields["speed"],
            state=fields["state"],  # type: ignore[arg-type]
            trips=int(fields["trips"]),
            command=fields["command"],
            command_error=fields["command_error"],
            speed_setting=fields["speed_setting"],
            heartbeat_ts=int(fields["heartbeat_ts"]),
        )
