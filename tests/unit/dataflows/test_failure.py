"""Which error a dataflow process reports, whatever Bytewax makes of it."""

import numpy as np
import pytest

from dataflows import __main__ as main
from dataflows import failure
from dataflows.counting import HourJoiner, PartitionProgress
from dataflows.flow import JoinLogic
from rushhour.core.errors import EventError, RushhourError, StackError
from rushhour.core.hours import HOUR_MS
from rushhour.core.run import RunInfo
from rushhour.core.settings import Settings
from tests.fixtures.settings import SettingsFactory


class PanicException(BaseException):
    """A panic of Rust."""


@pytest.fixture(autouse=True)
def _no_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(failure, "_failures", [])


def reported(error: BaseException, settings: Settings) -> RushhourError | None:
    run = RunInfo("id", "green", "2024-10", "a.parquet", "/a.parquet", 0, 3_600_000, dataflows=2)
    return main._reason(error, settings, run)


@pytest.fixture
def second(settings: SettingsFactory) -> Settings:
    return settings(process=1, addresses="host-0:2101,host-1:2102")


def test_the_error_of_a_step_is_reported_instead_of_a_panic(second: Settings) -> None:
    @failure.noted
    def step() -> None:
        raise error

    error = EventError("topic 'trips' partition 0: a gap")
    with pytest.raises(EventError):
        step()
    assert reported(PanicException("MergeQueue poisoned."), second) is error


def test_states_of_different_times_are_reported_instead_of_a_panic(second: Settings) -> None:
    """What the stores of a cluster are checked for, after they were restored from copies."""
    logic = JoinLogic(HourJoiner(partitions=1, next_hour=7 * HOUR_MS))
    with pytest.raises(StackError):
        logic.on_batch([PartitionProgress(0, 5 * HOUR_MS, {4 * HOUR_MS: np.zeros(265, np.int64)})])
    found = reported(PanicException("MergeQueue poisoned."), second)
    assert "recovery" in str(found)


def test_a_step_that_works_returns_what_it_returned() -> None:
    assert failure.noted(lambda number: number + 1)(1) == 2
    assert failure.first_failure() is None


def test_a_panic_without_an_error_is_a_lost_process(second: Settings) -> None:
    found = reported(PanicException("MergeQueue poisoned."), second)
    assert isinstance(found, StackError)
    assert str(found) == "lost the connection to another dataflow process: restart all of them"


def test_an_address_that_is_taken_is_named(second: Settings) -> None:
    text = "Caused by => Exception: failed to initialize networking: Address already in use"
    assert str(reported(RuntimeError(text), second)) == (
        "cannot listen on host-1:2102: Address already in use: change RUSHHOUR_ADDRESSES"
    )


def test_any_other_error_speaks_for_itself(second: Settings) -> None:
    assert reported(ValueError("a defect"), second) is None
