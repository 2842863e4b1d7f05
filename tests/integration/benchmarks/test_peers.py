"""`make bench` on a real Kafka, with the contender that needs nothing else."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.peers.results import load

ROOT = Path(__file__).parents[3]


@pytest.mark.kafka
def test_it_measures_checks_and_draws_and_does_nothing_twice(
    tmp_path: Path, green_file: Path
) -> None:
    kafka = os.environ.get("RUSHHOUR_TEST_KAFKA")
    if not kafka:
        pytest.skip("needs a real Kafka: set RUSHHOUR_TEST_KAFKA to its bootstrap servers")
    command = [sys.executable, "-m", "benchmarks.peers", "--dataset", "green", "--runs", "1"]
    places = ["--data-dir", str(green_file.parent), "--cache", str(tmp_path), "--kafka", kafka]
    for _ in range(2):
        run = subprocess.run(
            [*command, *places, "--only", "rushhour-count"],
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=False,
        )
        assert run.returncode == 0, run.stderr
        assert run.stdout.splitlines()[2].endswith("| exact |")
    (measured,) = load(tmp_path / "results-green.json").measurements
    assert measured.trips == 56_140
    assert "round 1" not in run.stderr
    assert (tmp_path / "results-green.svg").exists()
