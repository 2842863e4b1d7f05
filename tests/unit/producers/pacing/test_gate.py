"""The clock passes an hour only after every gate has acknowledged it, whatever else is said."""

from itertools import count

import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from producers.pacing.gate import Gate
from rushhour.core.errors import UsageError
from rushhour.core.gate import Acknowledgement, GateStatus
from rushhour.core.hours import HOUR_MS, MINUTE_MS

START = 1_727_740_800_000  # 2024-10-01 00:00
NAMES = ("features", "inference")


class GateMachine(RuleBasedStateMachine):
    """Hours close, clients acknowledge what they like, and the producer is killed at any moment.

    The model: for each gate, the last hour that it acknowledged after it was closed.
    """

    def __init__(self) -> None:
        super().__init__()
        self.last_closed = START - HOUR_MS
        self.known: dict[str, int] = {}
        self.wall = 0
        self.ids = count(1)
        self.refused = 0
        self.gate = self.begin(None)

    def begin(self, saved: GateStatus | None) -> Gate:
        return Gate(self.last_closed, NAMES, START, saved, lambda: self.wall)

    @rule(seconds=st.integers(1, 100))
    def time_passes(self, seconds: int) -> None:
        self.wall += seconds * 1_000

    @rule()
    def the_next_hour_closes(self) -> None:
        if not self.gate.holds(self.last_closed + HOUR_MS):
            self.last_closed += HOUR_MS
            self.gate.update(self.last_closed, ())

    @rule(name=st.sampled_from((*NAMES, "other")), later=st.integers(-5, 3), twice=st.booleans())
    def somebody_acknowledges(self, name: str, later: int, twice: bool) -> None:
        ack = Acknowledgement(name, self.last_closed + later * HOUR_MS)
        counts = name in NAMES and later <= 0
        if counts:
            self.known[name] = max(ack.hour_ts, self.known.get(name, -1))
        times = 2 if twice else 1
        self.refused += 0 if counts else times
        entries = [(f"{next(self.ids)}-0", ack) for _ in range(times)]
        self.gate.update(self.last_closed, entries)

    @rule()
    def somebody_writes_nonsense(self) -> None:
        self.refused += 1
        self.gate.update(self.last_closed, [(f"{next(self.ids)}-0", UsageError("no"))])

    @rule()
    def the_producer_is_killed(self) -> None:
        before = self.gate.status
        fields = {name: str(value) for name, value in before.to_fields().items()}
        self.gate = self.begin(GateStatus.from_fields(fields))
        assert self.gate.status == before

    @invariant()
    def an_hour_is_open_as_long_as_one_gate_has_not_acknowledged_it(self) -> None:
        for hour in range(self.last_closed - HOUR_MS, self.last_closed + 2 * HOUR_MS, HOUR_MS):
            missing = [name for name in NAMES if self.known.get(name, -1) < hour]
            held = hour >= START and bool(missing)
            for minute in (0, 1, 59):
                assert self.gate.holds(hour + HOUR_MS + minute * MINUTE_MS) == held

    @invariant()
    def the_status_says_who_is_awaited_for_the_last_closed_hour(self) -> None:
        status = self.gate.status
        hour = self.last_closed
        missing = tuple(name for name in NAMES if self.known.get(name, -1) < hour)
        if hour < START or not missing:
            assert (status.hour_ts, status.awaited, status.since_ts) == (None, (), None)
        else:
            assert (status.hour_ts, status.awaited) == (hour, missing)
            assert status.since_ts is not None
            assert status.since_ts <= self.wall
        assert self.gate.is_awaited == bool(status.awaited)
        assert status.refused == self.refused
        assert status.acknowledged == self.known


TestGate = GateMachine.TestCase


@given(st.integers(-10, 10), st.sampled_from(["features", "other"]))
def test_without_gates_nothing_is_held_and_nothing_is_noted(hours: int, name: str) -> None:
    gate = Gate(START)
    gate.update(START + HOUR_MS, [("1-0", Acknowledgement(name, START))])
    assert not gate.holds(START + hours * HOUR_MS)
    assert gate.status == GateStatus()
    assert gate.last_closed == START + HOUR_MS


def test_gates_that_are_taken_away_are_awaited_no_longer() -> None:
    awaited = Gate(START, NAMES).status
    assert awaited.awaited == NAMES
    gate = Gate(START, (), START, awaited)
    assert (gate.status.gates, gate.status.awaited, gate.status.hour_ts) == ((), (), None)
    assert not gate.holds(START + HOUR_MS)


def test_a_gate_that_is_added_is_awaited_from_the_last_closed_hour_on() -> None:
    saved = GateStatus(gates=("features",), acknowledged={"features": START})
    gate = Gate(START, NAMES, START, saved)
    assert gate.status.awaited == ("inference",)


def test_the_wait_begins_when_the_hour_is_closed_and_goes_on_as_others_acknowledge() -> None:
    wall = [1_000]
    gate = Gate(START - HOUR_MS, NAMES, START, None, lambda: wall[0])
    gate.update(START, ())
    wall[0] = 9_000
    gate.update(START, [("1-0", Acknowledgement("features", START))])
    assert (gate.status.awaited, gate.status.since_ts) == (("inference",), 1_000)


@pytest.mark.parametrize(
    ("ack", "refusal"),
    [
        (
            Acknowledgement("inferense", START),
            "gate inferense: there is no such gate: it is one of features, inference",
        ),
        (
            Acknowledgement("inference", START + HOUR_MS),
            "gate inference: hour 2024-10-01 01:00 is not closed yet",
        ),
        (UsageError("gate '' is not a name"), "gate '' is not a name"),
    ],
)
def test_a_refusal_says_why(ack: Acknowledgement | UsageError, refusal: str) -> None:
    gate = Gate(START, NAMES, START)
    gate.update(START, [("7-0", ack)])
    assert (gate.status.refused, gate.status.refusal, gate.status.ack) == (1, refusal, "7-0")
