"""Which submissions are taken: in the order of their partition, before their hour begins."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from consumers.submissions.acceptance import Acceptance
from consumers.submissions.records import Submission
from rushhour.core.events import HourStart
from rushhour.core.run import RunInfo

HOUR = 3_600_000
START = 1_727_910_000_000
HOURS = 5
RUN = RunInfo("id", "green", "2024-10", "a", "/a", START, START + HOURS * HOUR, models=("mixture",))


def acceptance(partitions: int = 2) -> Acceptance:
    return Acceptance(RUN, dict.fromkeys(range(partitions), START - HOUR), {})


def submission(index: int, zone: int = 1, model: str = "mine", demand: float = 1.0) -> Submission:
    return Submission(model, START + index * HOUR, zone, demand)


def reason(found: tuple[str, str] | None) -> str | None:
    return None if found is None else found[0]


def test_an_hour_is_open_until_it_begins_on_the_partition_of_the_record() -> None:
    taking = acceptance()
    assert taking.take(0, submission(0)) is None
    taking.start(0, HourStart(START))
    assert reason(taking.take(0, submission(0, zone=2))) == "late"
    assert taking.take(0, submission(1)) is None
    assert taking.take(1, submission(0, zone=3)) is None
    assert taking.begun_everywhere == START - HOUR
    taking.start(1, HourStart(START + HOUR))
    assert taking.begun_everywhere == START
    assert reason(taking.take(1, submission(0, zone=4))) == "late"
    assert reason(taking.take(1, submission(1, zone=4))) == "late"


def test_time_does_not_go_back() -> None:
    taking = acceptance(1)
    taking.start(0, HourStart(START + 2 * HOUR))
    taking.start(0, HourStart(START + HOUR))
    assert reason(taking.take(0, submission(2))) == "late"
    assert taking.take(0, submission(3)) is None


def test_the_first_prediction_counts() -> None:
    taking = acceptance()
    assert taking.take(0, submission(3, demand=1.0)) is None
    fault = taking.take(1, submission(3, demand=2.0))
    assert fault is not None
    assert fault == ("twice", "zone 1 at 2024-10-03 02:00 has a prediction of mine already, 1.0")
    assert taking.column("mine", START + 3 * HOUR)[0] == 1.0
    assert taking.take(0, submission(3, model="other")) is None
    assert taking.take(0, submission(3, zone=2)) is None


def test_hours_outside_of_the_run_and_names_of_its_models_are_refused() -> None:
    taking = acceptance()
    assert reason(taking.take(0, submission(-1))) == "no_such_hour"
    assert reason(taking.take(0, submission(HOURS))) == "no_such_hour"
    assert taking.take(0, submission(HOURS - 1)) is None
    assert reason(taking.take(0, submission(1, model="mixture"))) == "invalid_model"


def test_scored_hours_are_forgotten() -> None:
    taking = acceptance()
    taking.take(0, submission(0))
    taking.take(0, submission(1))
    taking.forget([START])
    assert np.isnan(taking.column("mine", START)).all()
    assert list(taking.open_hours()) == [START + HOUR]


records = st.lists(
    st.tuples(st.integers(0, 1), st.booleans(), st.integers(-1, HOURS), st.integers(1, 3)),
    max_size=40,
)


@given(records, st.integers(0, 40))
def test_decisions_are_the_same_after_a_restart_between_any_two(
    found: list[tuple[int, bool, int, int]], place: int
) -> None:
    """A restart keeps what was taken and which hours have begun, and nothing else."""

    def decide(taking: Acceptance, part: list[tuple[int, bool, int, int]]) -> list[str | None]:
        decisions: list[str | None] = []
        for partition, starts, index, zone in part:
            if starts:
                taking.start(partition, HourStart(START + index * HOUR))
            else:
                decisions.append(reason(taking.take(partition, submission(index, zone))))
        return decisions

    undisturbed = decide(acceptance(), found)
    first = acceptance()
    before = decide(first, found[:place])
    columns = {
        ("mine", hour): first.column("mine", hour).copy() for hour in set(first.open_hours())
    }
    assert before + decide(Acceptance(RUN, first.begun, columns), found[place:]) == undisturbed
