"""Environments of peers: made once, and again when their requirements change."""

from collections.abc import Sequence
from pathlib import Path

import pytest

from benchmarks.peers import environments


def test_an_environment_is_made_once_and_again_when_its_requirements_change(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    commands: list[Sequence[str]] = []

    def run(command: Sequence[str]) -> None:
        commands.append(command)
        (tmp_path / "environments" / "peer").mkdir(parents=True, exist_ok=True)

    monkeypatch.setattr(environments, "_run", run)
    monkeypatch.setattr(environments, "_REQUIREMENTS", tmp_path)
    (tmp_path / "peer.txt").write_text("package==1\n")
    for _ in range(2):
        environments.interpreter(tmp_path, "peer")
    assert len(commands) == 2  # the environment, and what it holds
    (tmp_path / "peer.txt").write_text("package==2\n")
    environments.interpreter(tmp_path, "peer")
    assert len(commands) == 4


def test_one_that_could_not_be_made_is_not_taken_for_complete(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_: Sequence[str]) -> None:
        raise environments.UnavailableError("ERROR: no such package")

    monkeypatch.setattr(environments, "_run", fail)
    monkeypatch.setattr(environments, "_REQUIREMENTS", tmp_path)
    (tmp_path / "peer.txt").write_text("package==1\n")
    for _ in range(2):
        with pytest.raises(environments.UnavailableError):
            environments.interpreter(tmp_path, "peer")


def test_without_java_there_is_no_spark(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(environments.UnavailableError, match="no java here: install Debian's"):
        environments.spark_jars(tmp_path)
