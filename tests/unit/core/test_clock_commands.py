from typing import Any

import pytest

from rushhour.core.clock import ClockStatus, Command
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


def test_foreign_text_is_cut_and_stays_on_one_line() -> None:
    with pytest.raises(UsageError) as caught:
        Command.from_fields({"command": "stop\n" * 1000})
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 120


@pytest.mark.parametrize("value", ["", "fast", "-1h/s"])
def test_an_invalid_speed_is_refused(value: str) -> None:
    with pytest.raises(UsageError, match=f"speed '{value}' is not a speed"):
        Command("speed", value)
    with pytest.raises(UsageError, match="is not a speed"):
        Command.from_fields({"command": "speed", "value": value})


STATUS = ClockStatus(1_727_910_000_000, "6h/s", "running", 7, "5-1", "refused", "1h/s", 1_764_000)


def test_a_status_is_read_back_as_written() -> None:
    fields = {name: str(value) for name, value in STATUS.to_fields().items()}
    assert ClockStatus.from_fields(fields) == STATUS
    assert ClockStatus.from_fields({}) is None


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("now_ts", "soon"),
        ("state", "asleep"),
        ("trips", "\\xff"),
        ("command", "first"),
        ("heartbeat_ts", ""),
        ("speed", None),
    ],
)
def test_a_status_that_another_client_has_spoilt_counts_as_none(
    field: str, value: str | None
) -> None:
    fields = {name: str(value) for name, value in STATUS.to_fields().items()}
    del fields[field]
    if value is not None:
        fields[field] = value
    assert ClockStatus.from_fields(fields) is None
