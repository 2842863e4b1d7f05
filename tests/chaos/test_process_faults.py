"""Processes that are frozen, have lost their stores, or are killed while a run is prepared."""

import pytest

from tests.chaos.scenarios import (
    MIDDLE,
    Disturb,
    at,
    is_equal,
    stopped_with,
)
from tests.chaos.schedule import SAME, Step, Trigger

pytestmark = pytest.mark.nightly


@pytest.mark.parametrize("lost", ["dataflow-0", "dataflow-1"])
def test_one_lost_store_of_a_cluster_does_not_change_the_forecasts(
    disturb: Disturb, lost: str
) -> None:
    step = Step(at("consumer", "consumer.closed"), "store.deleted", lost)
    assert is_equal(disturb(step, dataflows=2))


@pytest.mark.parametrize("dataflows", [1, 2])
def test_a_dataflow_that_has_lost_all_its_stores_starts_anew(
    disturb: Disturb, dataflows: int
) -> None:
    step = Step(at("consumer", "consumer.closed"), "stores.deleted", "dataflow-0")
    assert is_equal(disturb(step, dataflows=dataflows))


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
    assert is_equal(disturb(Step(trigger, "freeze.replaced", SAME)))


@pytest.mark.parametrize("failpoint", ["prepare.clear", "prepare.write", "prepare.done"])
def test_a_kill_while_a_new_run_is_prepared_leaves_none_that_seems_finished(
    disturb: Disturb, failpoint: str
) -> None:
    assert is_equal(disturb(Step(at("prepare", failpoint, 1), "kill.prepare", "prepare-0")))


def test_a_trip_file_that_is_replaced_stops_the_producer(disturb: Disturb) -> None:
    report = disturb(Step(at("consumer", "consumer.closed"), "file.replaced"))
    assert stopped_with(report) == 3
