"""Twelve seeds, which hold every fault. `make chaos` runs more."""

from pathlib import Path

import pytest

from tests.chaos.__main__ import run
from tests.chaos.nemesis import BLOCK, draw
from tests.chaos.pipeline import Plan
from tests.chaos.world import Reference


@pytest.mark.parametrize("seed", range(BLOCK))
def test_a_disturbed_run_ends_equal_or_stops(
    seed: int, reference: Reference, tmp_path: Path
) -> None:
    report = run(tmp_path / "run", draw(seed, Plan(reference.trip_file).hours), reference)
    assert report.passed, f"{report.explain()}\nto see it again: make chaos SEED={seed}"
