"""The import rules of pyproject.toml hold, and a planted import breaks them."""

import os
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
PACKAGES = ("rushhour", "producers", "dataflows", "consumers")


def lint_imports(root: Path) -> subprocess.CompletedProcess[str]:
    """Check the import rules over the packages of a directory."""
    command = [str(Path(sys.executable).with_name("lint-imports")), "--no-cache"]
    environment = os.environ | {"PYTHONPATH": str(root), "COLUMNS": "200"}
    return subprocess.run(
        command, cwd=root, env=environment, capture_output=True, text=True, check=False
    )


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """A copy of the packages, to plant imports in."""
    for package in PACKAGES:
        shutil.copytree(ROOT / package, tmp_path / package, ignore=shutil.ignore_patterns("__py*"))
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    return tmp_path


def test_every_shipped_package_is_checked() -> None:
    tool = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]
    assert sorted(tool["hatch"]["build"]["targets"]["wheel"]["packages"]) == sorted(PACKAGES)
    assert sorted(tool["importlinter"]["root_packages"]) == sorted(PACKAGES)


def test_the_rules_hold(copy: Path) -> None:
    done = lint_imports(copy)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize(
    ("module", "line", "caught"),
    [
        (
            "rushhour/core/hours.py",
            "import producers.month.trips",
            "rushhour.core.hours -> producers",
        ),
        (
            "producers/pacing/clock.py",
            "import consumers.city",
            "producers.pacing.clock -> consumers.city",
        ),
        ("dataflows/flow.py", "import rushhour.simulator.runs", "rushhour.simulator.runs"),
        ("dataflows/forecasting/drift.py", "import confluent_kafka", "confluent_kafka"),
        ("consumers/pending.py", "def f():\n    import redis", "consumers.pending -> redis"),
        ("dataflows/counting.py", "import dataflows.sink", "dataflows.counting -> dataflows.sink"),
    ],
)
def test_a_planted_import_is_caught(copy: Path, module: str, line: str, caught: str) -> None:
    file = copy / module
    file.write_text(f"{file.read_text()}\n\n{line}\n")
    done = lint_imports(copy)
    assert done.returncode == 1
    assert caught in done.stdout
