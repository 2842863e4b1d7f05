"""Makes a failing schedule smaller: drops steps as long as it still fails."""

from collections.abc import Callable
from dataclasses import replace

from tests.chaos.schedule import Schedule


def shrink(schedule: Schedule, fails: Callable[[Schedule], bool]) -> Schedule:
    """Return a schedule that fails and of which no step can be left out.

    Parameters
    ----------
    schedule
        One that fails.
    fails
        Runs a schedule, and returns whether it fails. Called at most once for each pair of steps.
    """
    smallest = schedule
    for step in schedule.steps:
        rest = tuple(each for each in smallest.steps if each is not step)
        smaller = replace(smallest, steps=rest)
        if fails(smaller):
            smallest = smaller
    return smallest
