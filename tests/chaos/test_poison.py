"""Records and commands that no process of the run has sent."""

import pytest

from tests.chaos.faults import READ_TOPICS
from tests.chaos.scenarios import (
    MIDDLE,
    Disturb,
    at,
    is_equal,
    nothing_was_restarted,
)
from tests.chaos.schedule import Step
from tests.chaos.verdict import Outcome

pytestmark = pytest.mark.nightly


def on_all_topics(fault: str) -> list[Step]:
    """A fault on each topic, at an hour of its own."""
    return [
        Step(at("consumer", "consumer.closed", MIDDLE + 4 * index), fault, topic)
        for index, topic in enumerate(READ_TOPICS)
    ]


def test_records_of_another_run_are_passed_over(disturb: Disturb) -> None:
    assert is_equal(disturb(*on_all_topics("poison.foreign")))


def test_bytes_that_cannot_be_decoded_are_passed_over(disturb: Disturb) -> None:
    report = disturb(*on_all_topics("poison.undecodable"))
    assert is_equal(report)
    assert nothing_was_restarted(report)


@pytest.mark.parametrize(
    ("fault", "outcomes"),
    [
        ("poison.tick-2099", ["equal"]),
        ("poison.far-hour", ["equal"]),
        ("poison.huge-seq", ["equal", "stopped"]),
        ("poison.stray-trip", ["equal", "stopped"]),
    ],
)
def test_a_record_that_no_process_of_the_run_has_sent_changes_nothing(
    disturb: Disturb, fault: str, outcomes: list[Outcome]
) -> None:
    assert disturb(Step(at("consumer", "consumer.closed"), fault)).outcome in outcomes


def test_records_that_come_twice_count_once(disturb: Disturb) -> None:
    assert is_equal(disturb(*on_all_topics("poison.repeated")))


def test_commands_that_nobody_can_follow_do_not_stop_the_clock(disturb: Disturb) -> None:
    report = disturb(Step(at("producer", "producer.tick"), "poison.commands"))
    assert is_equal(report)
    assert nothing_was_restarted(report)
