"""The nemesis: what it draws, and when it strikes."""

from dataclasses import replace
from pathlib import Path

import pytest

from rushhour.core.hours import HOUR_MS
from rushhour.runtime.failpoints import FAILPOINTS
from tests.chaos.control import Event
from tests.chaos.faults import FAULTS
from tests.chaos.nemesis import BLOCK, Nemesis, draw
from tests.chaos.pipeline import Plan
from tests.chaos.schedule import SAME, Schedule, Step, Trigger

PLAN = Plan(Path("trips.parquet"))
KILL = Step(Trigger("consumer", "consumer.transaction", 5), "kill")


def event(name: str, hour: int | None = None, **details: int) -> Event:
    """An event of a failpoint in an hour of the run."""
    hours = {} if hour is None else {"hour": PLAN.start_ts + hour * HOUR_MS}
    return Event(name, 1, 4711, {**hours, **details})


def test_a_seed_gives_the_same_schedule_each_time() -> None:
    assert [draw(seed, 36) for seed in range(50)] == [draw(seed, 36) for seed in range(50)]


def test_seeds_give_different_schedules() -> None:
    assert len({str(draw(seed, 36)) for seed in range(500)}) == 500


@pytest.mark.parametrize("block", [0, 1, 7])
def test_the_seeds_of_a_block_hold_every_fault(block: int) -> None:
    seeds = range(block * BLOCK, (block + 1) * BLOCK)
    assert {step.fault for seed in seeds for step in draw(seed, 36).steps} == set(FAULTS)


def test_schedules_name_failpoints_that_exist() -> None:
    steps = [step for seed in range(200) for step in draw(seed, 36).steps]
    assert {step.trigger.failpoint for step in steps} <= set(FAILPOINTS)


def test_seeds_vary_the_number_of_processes() -> None:
    found = {(draw(seed, 36).dataflows, draw(seed, 36).consumers) for seed in range(50)}
    assert found == {(1, 1), (1, 2), (2, 1), (2, 2)}


def test_a_step_strikes_once_at_the_first_event_from_its_hour_on() -> None:
    nemesis = Nemesis(Schedule((KILL,)), PLAN)
    assert nemesis.due("consumer-1", event("consumer.transaction", 4)) == []
    assert nemesis.due("producer-0", event("producer.tick", 9)) == []
    assert nemesis.due("consumer-1", event("consumer.written", 9)) == []
    assert nemesis.due("consumer-0", event("consumer.transaction", 7)) == [KILL]
    assert nemesis.due("consumer-1", event("consumer.transaction", 8)) == []
    assert nemesis.fired == [KILL]


def test_a_failpoint_without_an_hour_counts_over_all_processes_of_a_room() -> None:
    step = replace(KILL, trigger=Trigger("consumer", "lease.renew", 3))
    nemesis = Nemesis(Schedule((step,)), PLAN)
    assert nemesis.due("consumer-0", event("lease.renew")) == []
    assert nemesis.due("producer-0", event("lease.renew")) == []
    assert nemesis.due("consumer-1", event("lease.renew")) == []
    assert nemesis.due("consumer-0", event("lease.renew")) == [step]


def test_a_trigger_may_name_a_partition() -> None:
    step = replace(KILL, trigger=Trigger("producer", "producer.tick", 36, partition=2))
    nemesis = Nemesis(Schedule((step,)), PLAN)
    assert nemesis.due("producer-0", event("producer.tick", 36, partition=1)) == []
    assert nemesis.due("producer-0", event("producer.tick", 36, partition=2)) == [step]


def test_a_schedule_says_what_it_does() -> None:
    text = str(Schedule((KILL,), dataflows=2, seed=17))
    assert "seed 17: dataflow processes 2, consumers 1" in text
    assert f"consumer at consumer.transaction 5: kill ({SAME})" in text
