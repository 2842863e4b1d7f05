"""Each cause is found that is planted in tables that join, alone and behind another one."""

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rushhour.simulator.diagnosis.causes import CAUSES, LAST
from rushhour.simulator.diagnosis.diagnose import Diagnosis, diagnose
from tests.fixtures.planted_causes import PLANTS, arrow, go_together, healthy, plant

CERTAIN = [name for name, planted in PLANTS.items() if planted.is_certain]


def examine(*names: str) -> tuple[Diagnosis, Any]:
    mine, theirs = plant(*names)
    actuals = arrow(theirs)
    return diagnose(arrow(mine), actuals), actuals


def check(*names: str) -> None:
    """What is found is what was planted; if each cure is certain, the mended table is healthy."""
    found, actuals = examine(*names)
    summaries = [finding.summary for finding in found.findings]
    assert {each.cause for each in found.findings} == {PLANTS[n].cause for n in names}, summaries
    certain = {PLANTS[n].cause for n in names if PLANTS[n].is_certain}
    assert {each.cause for each in found.findings if each.is_certain} >= certain - {
        PLANTS[n].cause for n in names if not PLANTS[n].is_certain
    }
    if all(PLANTS[n].is_certain for n in names):
        assert found.joined_mended == found.rows_mended, summaries
        again = diagnose(found.mended, actuals)
        assert again.is_healthy, (summaries, [each.summary for each in again.findings])


def test_healthy_tables_give_no_finding() -> None:
    mine, theirs = healthy()
    found = diagnose(arrow(mine), arrow(theirs))
    assert (found.findings, found.notes, found.is_healthy) == ((), (), True)
    assert (found.joined, found.rows, found.mended) == (len(mine), len(mine), None)


@pytest.mark.parametrize("name", PLANTS)
def test_a_planted_cause_is_found_alone(name: str) -> None:
    check(name)


@pytest.mark.parametrize("name", PLANTS)
def test_a_planted_cause_is_found_with_any_other(name: str) -> None:
    after = list(PLANTS)[list(PLANTS).index(name) + 1 :]
    for other in after:
        if go_together(name, other):
            check(name, other)


@settings(max_examples=25)
@given(st.lists(st.sampled_from(CERTAIN), min_size=3, max_size=6, unique=True))
def test_a_table_that_is_mended_joins_fully(names: list[str]) -> None:
    chosen: list[str] = []
    for name in names:
        if go_together(*chosen, name):
            chosen.append(name)
    check(*chosen)


def test_each_finding_has_rows_a_cure_and_examples_of_both_sides() -> None:
    for name in PLANTS:
        for finding in examine(name)[0].findings:
            assert finding.rows > 0, name
            assert finding.cure, name
            if finding.cause not in {"columns", "values"}:
                assert finding.prediction, name
                assert finding.actual, name


def test_each_cause_is_a_module_and_gives_its_name() -> None:
    directory = Path(__file__).parents[3] / "rushhour" / "simulator" / "diagnosis" / "causes"
    modules = {path.stem for path in directory.glob("*.py")} - {"__init__"}
    assert {cause.name for cause in (*CAUSES, LAST)} == modules
    assert {planted.cause for planted in PLANTS.values()} == modules - {
        "disagreement",
        "unexplained",
    }
