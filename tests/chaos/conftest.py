"""The undisturbed run that all disturbed ones are compared with, and a way to disturb one."""

from pathlib import Path

import pytest

from tests.chaos.__main__ import run
from tests.chaos.scenarios import Disturb
from tests.chaos.schedule import Schedule, Step
from tests.chaos.verdict import Report
from tests.chaos.world import Reference, undisturbed


@pytest.fixture(scope="session")
def reference(tmp_path_factory: pytest.TempPathFactory) -> Reference:
    """What an undisturbed run leaves; computed once for each worker."""
    return undisturbed(tmp_path_factory.mktemp("reference"))


@pytest.fixture
def disturb(reference: Reference, tmp_path: Path) -> Disturb:
    """A function that runs steps, and returns the report of a run that has passed."""

    def disturb(*steps: Step, dataflows: int = 1, consumers: int = 1) -> Report:
        report = run(tmp_path / "run", Schedule(steps, dataflows, consumers), reference)
        assert report.passed, report.explain()
        assert not report.notes, report.explain()  # else the fault may not have happened
        assert len(report.fired) == len(steps)
        return report

    return disturb
