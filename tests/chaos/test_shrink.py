"""The shrinker: the smallest schedule that still fails."""

from tests.chaos.schedule import Schedule, Step, Trigger
from tests.chaos.shrink import shrink


def schedule(*faults: str) -> Schedule:
    return Schedule(tuple(Step(Trigger("consumer", "lease.renew", 1), name) for name in faults))


def faults(found: Schedule) -> list[str]:
    return [step.fault for step in found.steps]


def test_only_the_step_that_matters_is_left() -> None:
    found = shrink(schedule("kill", "term", "redis.older"), lambda s: "term" in faults(s))
    assert faults(found) == ["term"]


def test_steps_that_matter_together_are_kept() -> None:
    both = {"kill", "redis.older"}
    found = shrink(schedule("kill", "term", "redis.older"), lambda s: both <= set(faults(s)))
    assert faults(found) == ["kill", "redis.older"]


def test_a_schedule_that_fails_without_any_step_becomes_empty() -> None:
    assert faults(shrink(schedule("kill", "term"), lambda _: True)) == []


def test_equal_steps_are_dropped_one_by_one() -> None:
    found = shrink(schedule("kill", "kill", "kill"), lambda s: len(s.steps) >= 2)
    assert faults(found) == ["kill", "kill"]


def test_each_step_is_tried_once() -> None:
    tried: list[Schedule] = []

    def fails(smaller: Schedule) -> bool:
        tried.append(smaller)
        return False

    shrink(schedule("kill", "term", "freeze"), fails)
    assert len(tried) == 3
