"""What clients write about the hour gate is read back as it was, or refused in one line."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rushhour.core.errors import UsageError
from rushhour.core.gate import Acknowledgement, GateStatus, HourCommand, parse_gates
from rushhour.core.hours import HOUR_MS

HOUR = 1_727_910_000_000  # 2024-10-02 23:00

names = st.from_regex(r"[A-Za-z0-9_.-]{1,40}", fullmatch=True)
hours = st.integers(345_000, 490_000).map(lambda hour: hour * HOUR_MS)
instants = st.integers(0, 2**50)
lines = st.text(st.characters(codec="utf-8"), max_size=50)


@st.composite
def statuses(draw: st.DrawFn) -> GateStatus:
    gates = draw(st.lists(names, unique=True, max_size=4))
    some = st.sampled_from(gates) if gates else st.nothing()
    return GateStatus(
        gates=tuple(gates),
        hour_ts=draw(st.none() | hours),
        awaited=tuple(draw(st.lists(some, unique=True))),
        since_ts=draw(st.none() | instants),
        acknowledged=draw(st.dictionaries(some, hours)),
        ack=f"{draw(instants)}-{draw(st.integers(0, 9))}",
        refused=draw(st.integers(0, 10**6)),
        refusal=draw(lines),
    )


def as_redis(fields: dict[str, str | int]) -> dict[str, str]:
    return {name: str(value) for name, value in fields.items()}


@given(statuses())
def test_a_status_is_read_back_as_it_was_written(status: GateStatus) -> None:
    assert GateStatus.from_fields(as_redis(status.to_fields())) == status


@given(statuses(), st.data())
def test_a_status_that_another_client_has_changed_is_one_or_none(
    status: GateStatus, data: st.DataObject
) -> None:
    fields = as_redis(status.to_fields())
    fields[data.draw(st.sampled_from(sorted(fields)))] = data.draw(lines)
    found = GateStatus.from_fields(fields)
    assert found == GateStatus() or as_redis(found.to_fields()).keys() == fields.keys()


def test_no_status_is_one_without_gates() -> None:
    assert GateStatus.from_fields({}) == GateStatus()
    assert GateStatus().waited_s(HOUR) == 0.0


def test_the_wait_is_counted_from_its_begin() -> None:
    assert GateStatus(since_ts=HOUR).waited_s(HOUR + 1_500) == 1.5
    assert GateStatus(since_ts=HOUR).waited_s(HOUR - 1_500) == 0.0  # hosts may disagree


@given(names, hours)
def test_an_acknowledgement_is_read_back_as_it_was_written(gate: str, hour: int) -> None:
    ack = Acknowledgement(gate, hour)
    assert Acknowledgement.from_fields(ack.to_fields()) == ack


@pytest.mark.parametrize("hour", ["2024-10-02T23", "2024-10-02 23:00", "2024-10-02T23:00:00Z"])
def test_an_hour_may_be_written_in_several_ways(hour: str) -> None:
    ack = Acknowledgement.from_fields({"gate": "inference", "hour": hour})
    assert ack == Acknowledgement("inference", HOUR)


@given(st.dictionaries(st.sampled_from(["gate", "hour", "x"]), lines))
def test_an_entry_of_any_text_is_read_or_refused_in_one_line(fields: dict[str, str]) -> None:
    try:
        Acknowledgement.from_fields(fields)
    except UsageError as error:
        assert len(str(error).splitlines()) == 1
        assert len(str(error)) < 200


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"gate": "inference"},
        {"hour": "2024-10-02T23"},
        {"gate": "a b", "hour": "2024-10-02T23"},
        {"gate": "inference", "hour": "2024-10-02T23:30"},
        {"gate": "inference", "hour": "1727910000"},
        {"gate": "inference", "hour": "0001-01-01T00+23:00"},
        {"gate": "inference", "hour": "9999-12-31T23-23:00"},
        {"gate": "inference", "hour": "1970-01-21"},
    ],
)
def test_what_is_no_acknowledgement_is_refused(fields: dict[str, str]) -> None:
    with pytest.raises(UsageError):
        Acknowledgement.from_fields(fields)


@pytest.mark.parametrize("text", ["a,,b", "a b", "a,", "x" * 41, "a:b", "\u00e4"])
def test_names_that_cannot_be_gates_are_refused(text: str) -> None:
    with pytest.raises(UsageError, match=r"^gate '.*' is not a name: use up to 40 letters"):
        parse_gates(text)


def test_a_gate_that_is_named_twice_counts_once() -> None:
    assert parse_gates("b, a,b") == ("b", "a")


@given(lines, hours, instants, lines)
def test_a_command_is_read_back_as_it_was_written(
    text: str, hour: int, since: int, output: str
) -> None:
    running = HourCommand(text, hour, "running", since)
    for command in (running, running.failed("ended with exit code 3", output)):
        assert HourCommand.from_fields(as_redis(command.to_fields())) == command


def test_a_command_that_cannot_be_read_is_none() -> None:
    fields = as_redis(HourCommand("date", HOUR, "running", 7).to_fields())
    assert HourCommand.from_fields({}) is None
    assert HourCommand.from_fields(fields | {"state": "asleep"}) is None
    assert HourCommand.from_fields(fields | {"hour": "noon"}) is None
