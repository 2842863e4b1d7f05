from typing import Any

import pytest

from rushhour.core.clock import Command
from rushhour.core.errors import UsageError


@pytest.mark.parametrize(
    "command", [Command("pause"), Command("resume"), Command("speed", "1h/s")], ids=str
)
def test_a_command_is_read_back_as_written(command: Command) -> None:
    assert Command.from_fields(command.to_fields()) == command


def test_the_fields_are_those_of_the_documented_entry() -> None:
    assert Command("speed", "max").to_fields() == {"command": "speed", "value": "max"}
    assert Command.from_fields({"command": "pause"}) == Command("pause")


@pytest.mark.parametrize("name", ["", "stop", "PAUSE", "pause "])
def test_an_unknown_command_is_refused_with_the_known_ones(name: Any) -> None:
    with pytest.raises(UsageError, match=f"^unknown command '{name}': use pause, resume, speed$"):
        Command(name)
    with pytest.raises(UsageError, match="pause, resume, speed"):
        Command.from_fields({"command": name})


def test_an_entry_without_a_command_is_refused() -> None:
    with pytest.raises(UsageError, match="unknown command ''"):
        Command.from_fields({"value": "1h/s", "other": "field"})


@pytest.mark.parametrize("value", ["", "fast", "0", "-1h/s"])
def test_an_invalid_speed_is_refused(value: str) -> None:
    with pytest.raises(UsageError, match=f"speed '{value}' is not a speed"):
        Command("speed", value)
    with pytest.raises(UsageError, match="is not a speed"):
        Command.from_fields({"command": "speed", "value": value})
