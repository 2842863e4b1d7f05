"""The benchmark that the decision records quote runs, and both ways count right."""

import subprocess
import sys
from pathlib import Path

BENCHMARK = Path(__file__).parents[3] / "benchmarks" / "connectors.py"


def test_both_ways_count_every_ride() -> None:
    done = subprocess.run(
        [sys.executable, BENCHMARK, "--hours", "2"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    wrong = [line.split("|")[3].strip() for line in done.stdout.splitlines()[4:]]
    assert wrong == ["0", "0", "0"]
