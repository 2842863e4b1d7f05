"""What a disturbed run came to, and whether that is allowed."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from rushhour.core.errors import (
    DataError,
    KafkaFailure,
    RedisFailure,
    StackError,
    UsageError,
)
from tests.chaos.faults import FAULTS
from tests.chaos.schedule import Schedule, Step
from tests.chaos.supervisor import End, is_defect

Outcome = Literal["equal", "stopped", "different", "stuck"]

DOCUMENTED = frozenset(
    error.exit_code for error in (UsageError, DataError, KafkaFailure, RedisFailure, StackError)
)
_SHOWN = 8


@dataclass(frozen=True, slots=True)
class Report:
    """One disturbed run.

    Attributes
    ----------
    outcome
        `equal` and `different`: it finished. `stopped`: a process ends again and again.
        `stuck`: nothing moves.
    problems
        Why it has failed; empty if all is well.
    fired
        The steps whose triggers were reached.
    notes
        Faults that could not do what they are for, such as while another one is at work.
    """

    schedule: Schedule
    outcome: Outcome
    problems: tuple[str, ...]
    fired: tuple[Step, ...]
    seconds: float
    stopped: End | None = None
    ends: tuple[End, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def passed(self) -> bool:
        """Whether the run was equal, or stopped as its faults allow, and nothing was violated."""
        return not self.problems

    def line(self) -> str:
        """Return one line for a summary."""
        faults = ", ".join(step.fault for step in self.fired) or "none"
        missed = len(self.schedule.steps) - len(self.fired)
        rest = f", {missed} not reached" if missed else ""
        what = f"{self.outcome} ({self.stopped})" if self.stopped else self.outcome
        verdict = "ok  " if self.passed else "FAIL"
        return (
            f"{verdict} seed {self.schedule.seed}: {what} in {self.seconds:.0f} s: {faults}{rest}"
        )

    def explain(self) -> str:
        """Return everything about a run that failed."""
        problems = [f"  {problem}" for problem in self.problems[:_SHOWN]]
        if len(self.problems) > _SHOWN:
            problems.append(f"  and {len(self.problems) - _SHOWN} more")
        fired = [f"  {step}" for step in self.fired]
        ends = [f"  {end.process} {end.code}: {end.line}" for end in self.ends]
        return "\n".join(
            [
                self.line(),
                str(self.schedule),
                "problems:",
                *problems,
                "fired:",
                *fired,
                "ends:",
                *ends,
                "notes:",
                *(f"  {note}" for note in self.notes),
            ]
        )


def judge(
    outcome: Outcome,
    stopped: End | None,
    fired: Sequence[Step],
    differences: Sequence[str],
) -> list[str]:
    """Return what is not allowed about an outcome."""
    problems = [f"differs: {line}" for line in differences]
    if outcome == "stuck":
        problems.append("stuck: nothing moved, and no process has ended")
    if outcome == "stopped" and stopped is not None:
        allowed = frozenset[int]().union(*(FAULTS[step.fault].may_stop for step in fired))
        if stopped.code not in DOCUMENTED:
            problems.append(f"not a documented exit code: {stopped}")
        elif stopped.code not in allowed:
            problems.append(f"none of the faults allows it to stop: {stopped}")
        if not stopped.line:
            problems.append(f"{stopped.process} stopped without a line")
    return problems


def tracebacks(logs: Sequence[Path]) -> list[str]:
    """Return the logs that hold a traceback: users get one line."""
    return [
        f"a traceback in {log.name}"
        for log in logs
        if "Traceback (most recent call last)" in log.read_text("utf-8", "replace")
    ]


def defects(ends: Sequence[End]) -> list[str]:
    """Return the processes that ended in a way that is not documented."""
    return [
        f"{end.process} ended with {end.code}, a defect: {end.line}"
        for end in ends
        if is_defect(end)
    ]
