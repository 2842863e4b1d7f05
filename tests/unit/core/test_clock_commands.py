from typing import Any

import pytest

from rushhour.core.clock import ClockStatus, Command, CommandResult
from rushhour.core.errors import UsageError


@pytest.mark.parametrize(
    "command",
    [
        Command("pause"),
        Command("resume"),
        Command("speed", "1h/s"),
        Command("step"),
        Command("step", "6h"),
        Command("until", "2024-10-14 06:00"),
        Command("seek", "2024-10-14"),
        Command("stop"),
    ],
    ids=str,
)
def test_a_command_is_read_back_as_written(command: Command) -> None:
    assert Command.from_fields(command.to_fields()) == command


def test_the_fields_are_those_of_the_documented_entry() -> None:
    assert Command("speed", "max").to_fields() == {"command": "speed", "value": "max"}
    assert Command.from_fields({"command": "pause"}) == Command("pause")


@pytest.mark.parametrize("name", ["", "halt", "PAUSE", "pause "])
def test_an_unknown_command_is_refused_with_the_known_ones(name: Any) -> None:
    known = "pause, resume, speed, step, until, seek, stop"
    with pytest.raises(UsageError, match=f"^unknown command '{name}': use {known}$"):
        Command(name)
    with pytest.raises(UsageError, match=known):
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


@pytest.mark.parametrize(
    ("value", "hours"), [("", 1), ("1h", 1), ("6h", 6), ("1d", 24), ("2 D", 48), ("100h", 100)]
)
def test_a_step_has_hours(value: str, hours: int) -> None:
    assert Command("step", value).hours == hours


@pytest.mark.parametrize("value", ["0h", "-1h", "1", "h", "90m", "1.5h", "999999h", "1h 1h", "\n"])
def test_what_is_not_whole_hours_is_no_step(value: str) -> None:
    with pytest.raises(UsageError, match=r" is not a step: write it as 1h, 6h or 1d$"):
        Command("step", value)


@pytest.mark.parametrize("name", ["until", "seek"])
@pytest.mark.parametrize("value", ["", "soon", "2024-10-14 06:30", "2024-13-01", "1\n" * 999])
def test_what_is_not_a_whole_hour_is_no_target(name: Any, value: str) -> None:
    with pytest.raises(UsageError) as caught:
        Command(name, value)
    assert "is not a whole hour: write it as 2024-10-14 or '2024-10-14 06:00'" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_date_is_its_first_hour() -> None:
    assert Command("seek", "2024-10-14").target_ts == Command("until", "2024-10-14 00:00").target_ts


RESULT = CommandResult("5-1", "seek 2024-10-03", "refused", 1_727_910_000_000, 1_727_913_600_000)
STATUS = ClockStatus(
    1_727_910_000_000,
    "6h/s",
    "running",
    7,
    "5-1",
    "refused",
    "1h/s",
    1_764_000,
    1_727_917_200_000,
    1_727_913_600_000,
    1_727_740_800_000,
    (RESULT, CommandResult("6-0", "step", "", 1_727_910_000_000)),
    7,
    2,
)


def test_a_status_is_read_back_as_written() -> None:
    fields = {name: str(value) for name, value in STATUS.to_fields().items()}
    assert ClockStatus.from_fields(fields) == STATUS
    assert ClockStatus.from_fields({}) is None
    plain = ClockStatus(5, "max", "paused", 0)
    fields = {name: str(value) for name, value in plain.to_fields().items()}
    assert ClockStatus.from_fields(fields) == plain


def test_the_result_of_a_command_is_found_by_its_id() -> None:
    assert STATUS.result_of("5-1") == RESULT
    assert STATUS.result_of("4-0") is None


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("now_ts", "soon"),
        ("state", "asleep"),
        ("trips", "\\xff"),
        ("command", "first"),
        ("heartbeat_ts", ""),
        ("speed", None),
        ("pause_at_ts", "soon"),
        ("results", "["),
        ("results", '[{"id": "5-1"}]'),
        ("results", '["5-1"]'),
        ("results", "7"),
        ("commands", "many"),
        ("repeated", None),
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
