"""What a peer cannot have, and a Kafka that cannot be started, are said in one line."""

from pathlib import Path

import pytest

from benchmarks.peers import broker, environments


def test_an_environment_is_made_once_and_again_when_its_requirements_change(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(environments, "_REQUIREMENTS", tmp_path)
    (tmp_path / "peer.txt").write_text("")
    python = environments.interpreter(tmp_path, "peer")
    mark = python.parent / "mark"
    mark.touch()
    assert environments.interpreter(tmp_path, "peer") == python
    assert mark.exists()
    (tmp_path / "peer.txt").write_text("no such requirement\n")
    with pytest.raises(environments.UnavailableError, match="Invalid requirement"):
        environments.interpreter(tmp_path, "peer")
    assert not mark.exists()


def test_a_kafka_that_cannot_be_started_names_the_flag_for_another(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    script = tmp_path / "broker.sh"
    script.write_text("#!/bin/sh\necho 'broker.sh: no java here' >&2; exit 69\n")
    script.chmod(0o755)
    monkeypatch.setattr(broker, "_SCRIPT", script)
    message = r"^no Kafka \(broker.sh: no java here\): name yours with --kafka HOST:PORT$"
    with pytest.raises(broker.NoBrokerError, match=message), broker.broker(None, tmp_path):
        pass
