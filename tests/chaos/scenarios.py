"""Words for directed cases: an hour, a trigger, and what is expected."""

from collections.abc import Callable

from tests.chaos.schedule import Trigger
from tests.chaos.verdict import Report

# Runs steps, and returns what came of it.
Disturb = Callable[..., Report]

MIDDLE = 12  # an hour of the run, which has 36
LAST_TICK = 36


def at(room: str, failpoint: str, number: int = MIDDLE, partition: int | None = None) -> Trigger:
    """The first event of a failpoint from an hour on."""
    return Trigger(room, failpoint, number, partition)


def is_equal(report: Report) -> bool:
    """Whether the run finished."""
    return report.outcome == "equal"


def stopped_with(report: Report) -> int | None:
    """The exit code with which a process stopped for good."""
    return None if report.stopped is None else report.stopped.code


def nothing_was_restarted(report: Report) -> bool:
    """Whether each process has ended once, and well."""
    return all(end.code == 0 for end in report.ends)
