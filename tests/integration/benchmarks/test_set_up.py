"""Where no Kafka can be started, the reason and what to do are one line."""

from pathlib import Path

import pytest

from benchmarks.peers import broker


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
