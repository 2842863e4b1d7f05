"""Live controls: commands that a user appends to a Redis stream and the replay obeys."""

from dataclasses import dataclass
from typing import Literal, cast, get_args

from core.errors import UsageError
from core.speed import Speed

Name = Literal["pause", "resume", "speed"]


@dataclass(frozen=True, slots=True)
class Command:
    """One command to the simulated clock; `value` is the new speed for `speed`."""

    name: Name
    value: str = ""

    def __post_init__(self) -> None:
        if self.name not in get_args(Name):
            raise UsageError(f"'{self.name}' is not a command: {', '.join(get_args(Name))}")
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
        return cls(cast(Name, fields.get("command", "")), fields.get("value", ""))
