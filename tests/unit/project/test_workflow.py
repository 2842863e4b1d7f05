"""The workflow and the hooks call what exists."""

import re
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[3]
TARGETS = set(re.findall(r"^(\w+):", (ROOT / "Makefile").read_text("utf-8"), re.M))


def load(name: str) -> Any:
    return yaml.safe_load((ROOT / name).read_text("utf-8"))


def test_the_workflow_and_ci_run_the_same_targets_of_make() -> None:
    (job,) = load(".github/workflows/ci.yml")["jobs"].values()
    workflow = [step["run"] for step in job["steps"] if "run" in step]
    script = re.findall(r"^make \w+$", (ROOT / ".ci" / "run").read_text("utf-8"), re.M)
    assert workflow == script == ["make check", "make test"]
    assert {"check", "test"} <= TARGETS


def test_the_workflow_tests_every_python_that_is_supported() -> None:
    (job,) = load(".github/workflows/ci.yml")["jobs"].values()
    versions = job["strategy"]["matrix"]["python"]
    classified = re.findall(r"Python :: (3\.\d+)", (ROOT / "pyproject.toml").read_text("utf-8"))
    assert versions == classified


def test_the_hooks_are_steps_of_make_check() -> None:
    makefile = (ROOT / "Makefile").read_text("utf-8").replace("$(BIN)", ".venv/bin")
    (repo,) = load(".pre-commit-config.yaml")["repos"]
    assert repo["repo"] == "local"  # nothing to download
    for hook in repo["hooks"]:
        assert hook["entry"].removesuffix(" --fix") in makefile
