"""The interface of the simulated clock: the commands that it accepts, and its status."""

import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal, cast, get_args

from rushhour.core.entry_ids import is_entry_id
from rushhour.core.errors import UsageError
from rushhour.core.foreign import shown
from rushhour.core.hours import HOURS_PER_DAY, clock_label, parse_from
from rushhour.core.speed import Speed

CommandName = Literal["pause", "resume", "speed", "step", "until", "seek", "stop"]

_STEP = re.compile(r"(\d{1,5})\s*([hd])", re.ASCII)
_HOURS_PER = {"h": 1, "d": HOURS_PER_DAY}


@dataclass(frozen=True, slots=True)
class Command:
    """One command to the simulated clock.

    `value` is the new speed of `speed`, the length of a `step` (`6h`, `1d`; an hour if it is empty)
    and the hour of `until` and `seek`; the others have none.
    """

    name: CommandName
    value: str = ""

    def __post_init__(self) -> None:
        if self.name not in get_args(CommandName):
            raise UsageError(
                f"unknown command '{shown(self.name)}': use {', '.join(get_args(CommandName))}"
            )
        if self.name == "speed":
            Speed.parse(self.value)
        elif self.name == "step":
            parse_step(self.value)
        elif self.name in {"until", "seek"}:
            self._parse_hour()

    @property
    def hours(self) -> int:
        """The hours of a step."""
        return parse_step(self.value)

    @property
    def target_ts(self) -> int:
        """The hour of `until` and `seek`, epoch ms."""
        return self._parse_hour()

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

    def _parse_hour(self) -> int:
        try:
            return parse_from(self.value)
        except UsageError:
            raise UsageError(
                f"{self.name} '{shown(self.value)}' is not a whole hour: write it as 2024-10-14 or "
                "'2024-10-14 06:00'"
            ) from None

    def __str__(self) -> str:
        return f"{self.name} {self.value}".rstrip()


def parse_step(text: str) -> int:
    """Return the hours of a step: '1h', '6h', '1d'; empty is an hour.

    >>> parse_step("6h"), parse_step("1d"), parse_step("")
    (6, 24, 1)

    Raises
    ------
    UsageError
        If the text is not a number of hours or days, from 1 on.
    """
    match = _STEP.fullmatch((text or "1h").strip().lower())
    hours = int(match[1]) * _HOURS_PER[match[2]] if match else 0
    if not hours:
        raise UsageError(f"step '{shown(text)}' is not a step: write it as 1h, 6h or 1d")
    return hours


State = Literal["starting", "running", "throttled", "waiting", "paused", "stopped", "finished"]
ENDED: frozenset[str] = frozenset[State]({"stopped", "finished"})
KEPT_RESULTS = 8


@dataclass(frozen=True, slots=True)
class CommandResult:
    """What became of one command.

    `id` is that of its entry, `command` its text, and `error` why it was refused; empty if it was
    not. `now_ts` is the simulated time at which it was applied, `target_ts` the end of a step or
    the hour of `until` and `seek`, both epoch ms.
    """

    id: str
    command: str
    error: str
    now_ts: int
    target_ts: int | None = None


@dataclass(frozen=True, slots=True)
class ClockStatus:
    """The status of the replay.

    `now_ts` is the simulated time (epoch ms) up to which trips have been sent. In the state
    `throttled`, the pipeline is slower than `speed` and simulated time slows down; in `waiting`,
    gates have yet to acknowledge the last closed hour; in `stopped`, the run was ended before its
    last hour. `command` is the id of the last command processed,
    `command_error` the reason if it was refused. `speed_setting` is the speed that the replay was
    started with, before any command. `heartbeat_ts` is the wall time (epoch ms) at which the status
    was written; a producer that lives writes it several times a second.

    `pause_at_ts` is the simulated time at which the clock will pause, `fast_until_ts` the one until
    which it runs at full speed instead of `speed`; `start_over_ts` the one to which the run is to
    be brought again from its start (all epoch ms, or None). `results` are those of the last
    commands, the latest last. `commands` is the number of commands processed since the run began,
    `repeated` how many of them came from the run that this one repeats.
    """

    now_ts: int
    speed: str
    state: State
    trips: int
    command: str = "0-0"
    command_error: str = ""
    speed_setting: str = ""
    heartbeat_ts: int = 0
    pause_at_ts: int | None = None
    fast_until_ts: int | None = None
    start_over_ts: int | None = None
    results: tuple[CommandResult, ...] = ()
    commands: int = 0
    repeated: int = 0
    original_ts: int | None = None

    @property
    def has_ended(self) -> bool:
        """Whether the producer is done with the run."""
        return self.state in ENDED

    def result_of(self, command_id: str) -> CommandResult | None:
        """Return the result of a command; None if it is not among the last ones."""
        return next((result for result in self.results if result.id == command_id), None)

    def to_fields(self) -> dict[str, str | int]:
        """Return the status as the fields of a hash."""
        return {
            "now": clock_label(self.now_ts),
            "now_ts": self.now_ts,
            "original": "" if self.original_ts is None else clock_label(self.original_ts),
            "original_ts": _optional(self.original_ts),
            "speed": self.speed,
            "state": self.state,
            "trips": self.trips,
            "command": self.command,
            "command_error": self.command_error,
            "speed_setting": self.speed_setting,
            "heartbeat_ts": self.heartbeat_ts,
            "pause_at_ts": _optional(self.pause_at_ts),
            "fast_until_ts": _optional(self.fast_until_ts),
            "start_over_ts": _optional(self.start_over_ts),
            "results": json.dumps([asdict(result) for result in self.results]),
            "commands": self.commands,
            "repeated": self.repeated,
        }

    @classmethod
    def from_fields(cls, fields: Mapping[str, str]) -> "ClockStatus | None":
        """Return the status that `to_fields` has written; None if there is none.

        A status that cannot be read, because another client has changed it, counts as none.
        """
        try:
            return cls._read(fields)
        except (KeyError, ValueError, TypeError):
            return None

    @classmethod
    def _read(cls, fields: Mapping[str, str]) -> "ClockStatus":
        if fields["state"] not in get_args(State) or not is_entry_id(fields["command"]):
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
            pause_at_ts=_parse_optional(fields["pause_at_ts"]),
            fast_until_ts=_parse_optional(fields["fast_until_ts"]),
            start_over_ts=_parse_optional(fields["start_over_ts"]),
            results=tuple(map(_read_result, json.loads(fields["results"]))),
            commands=int(fields["commands"]),
            repeated=int(fields["repeated"]),
            original_ts=_parse_optional(fields["original_ts"]),
        )


def _read_result(fields: dict[str, Any]) -> CommandResult:
    result = CommandResult(**fields)
    if not (isinstance(result.now_ts, int) and isinstance(result.id, str)):
        raise TypeError(fields)
    return result


def _optional(ts: int | None) -> str | int:
    return "" if ts is None else ts


def _parse_optional(text: str) -> int | None:
    return int(text) if text else None
