"""One case for each kind of loss that was found, under names of what went wrong."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.chaos.__main__ import run
from tests.chaos.faults import READ_TOPICS
from tests.chaos.schedule import SAME, Schedule, Step, Trigger
from tests.chaos.verdict import Outcome, Report
from tests.chaos.world import Reference

Disturb = Callable[..., Report]

MIDDLE = 12  # an hour of the run, which has 36
LAST_TICK = 36


@pytest.fixture
def disturb(reference: Reference, tmp_path: Path) -> Iterator[Disturb]:
    """A function that runs steps, and returns what came of it."""

    def disturb(*steps: Step, dataflows: int = 1, consumers: int = 1) -> Report:
        report = run(tmp_path / "run", Schedule(steps, dataflows, consumers), reference)
        assert report.passed, report.explain()
        assert len(report.fired) == len(steps)
        return report

    yield disturb


def at(room: str, failpoint: str, number: int = MIDDLE, partition: int | None = None) -> Trigger:
    return Trigger(room, failpoint, number, partition)


def on_all_topics(fault: str) -> list[Step]:
    """A fault on each topic, at an hour of its own."""
    return [
        Step(at("consumer", "consumer.closed", MIDDLE + 4 * index), fault, topic)
        for index, topic in enumerate(READ_TOPICS)
    ]


def equal(report: Report) -> bool:
    return report.outcome == "equal"


# Kafka


def test_nothing_is_lost_while_a_broker_is_frozen_for_longer_than_clients_wait(
    disturb: Disturb,
) -> None:
    triggers = [
        at("producer", "producer.tick", 0),
        at("dataflow", "dataflow.hour"),
        at("producer", "producer.tick", LAST_TICK),
    ]
    assert equal(disturb(*(Step(trigger, "kafka.frozen") for trigger in triggers)))


def test_a_broker_that_has_lost_its_data_stops_the_run(disturb: Disturb) -> None:
    report = disturb(Step(at("consumer", "consumer.closed"), "kafka.lost"))
    assert report.outcome == "stopped"
    assert report.stopped is not None
    assert report.stopped.code == 4


def test_two_runs_on_one_kafka_are_both_right(disturb: Disturb) -> None:
    assert equal(disturb(Step(at("consumer", "consumer.closed", 3), "second-run")))


def test_records_of_another_run_are_passed_over(disturb: Disturb) -> None:
    assert equal(disturb(*on_all_topics("poison.foreign")))


# Recovery stores


@pytest.mark.parametrize("lost", ["dataflow-0", "dataflow-1"])
def test_one_lost_store_of_a_cluster_does_not_change_the_forecasts(
    disturb: Disturb, lost: str
) -> None:
    step = Step(at("consumer", "consumer.closed"), "store.deleted", lost)
    assert equal(disturb(step, dataflows=2))


@pytest.mark.parametrize("dataflows", [1, 2])
def test_a_dataflow_that_has_lost_all_its_stores_starts_anew(
    disturb: Disturb, dataflows: int
) -> None:
    step = Step(at("consumer", "consumer.closed"), "stores.deleted", "dataflow-0")
    assert equal(disturb(step, dataflows=dataflows))


# Leases


@pytest.mark.parametrize(
    "trigger",
    [
        at("consumer", "consumer.transaction"),
        at("consumer", "consumer.city"),
        at("producer", "producer.status", 10),
        at("producer", "producer.tick", MIDDLE, 2),
        at("dataflow", "dataflow.flushed", 5),
    ],
    ids=str,
)
def test_a_process_that_wakes_up_after_its_successor_started_does_no_harm(
    disturb: Disturb, trigger: Trigger
) -> None:
    assert equal(disturb(Step(trigger, "freeze.replaced", SAME)))


# Redis


@pytest.mark.parametrize(
    "trigger",
    [
        at("producer", "producer.tick", MIDDLE, 0),  # while the consumer is idle
        at("consumer", "consumer.transaction"),
        at("consumer", "consumer.city"),
    ],
    ids=str,
)
def test_a_redis_that_goes_back_in_time_loses_no_hour(disturb: Disturb, trigger: Trigger) -> None:
    assert equal(disturb(Step(trigger, "redis.older"), consumers=2))


def test_a_redis_that_comes_back_empty_stops_the_run(disturb: Disturb) -> None:
    report = disturb(Step(at("producer", "producer.tick", MIDDLE, 0), "redis.empty"))
    assert report.outcome == "stopped"
    assert report.stopped is not None
    assert report.stopped.code == 5


@pytest.mark.parametrize(
    "fault", ["redis.down", "redis.frozen", "redis.read-only", "redis.out-of-memory"]
)
def test_a_redis_that_is_away_for_a_while_is_waited_for(disturb: Disturb, fault: str) -> None:
    report = disturb(Step(at("consumer", "consumer.transaction"), fault))
    assert equal(report)
    assert all(end.code == 0 for end in report.ends)  # nothing had to be restarted


def test_an_hour_that_the_run_has_not_closed_stops_it(disturb: Disturb) -> None:
    report = disturb(Step(at("consumer", "consumer.closed"), "poison.city"))
    assert report.outcome == "stopped"
    assert report.stopped is not None
    assert report.stopped.code == 5


# What is prepared


@pytest.mark.parametrize("failpoint", ["prepare.clear", "prepare.write", "prepare.done"])
def test_a_kill_while_a_new_run_is_prepared_leaves_none_that_seems_finished(
    disturb: Disturb, failpoint: str
) -> None:
    assert equal(disturb(Step(at("prepare", failpoint, 1), "kill.prepare", "prepare-0")))


def test_a_trip_file_that_is_replaced_stops_the_producer(disturb: Disturb) -> None:
    report = disturb(Step(at("consumer", "consumer.closed"), "file.replaced"))
    assert report.outcome == "stopped"
    assert report.stopped is not None
    assert report.stopped.code == 3


# Poison


def test_bytes_that_cannot_be_decoded_are_passed_over(disturb: Disturb) -> None:
    report = disturb(*on_all_topics("poison.undecodable"))
    assert equal(report)
    assert all(end.code == 0 for end in report.ends)


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
    assert equal(disturb(*on_all_topics("poison.repeated")))


def test_commands_that_nobody_can_follow_do_not_stop_the_clock(disturb: Disturb) -> None:
    report = disturb(Step(at("producer", "producer.tick"), "poison.commands"))
    assert equal(report)
    assert all(end.code == 0 for end in report.ends)
