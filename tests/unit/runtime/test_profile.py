"""What a process leaves of itself for a profile."""

import json
import os
from pathlib import Path

import pytest

from rushhour.runtime import kafka_watch, profile
from rushhour.runtime.profile import Traffic, profiled
from rushhour.runtime.waiting import WAITED


@pytest.fixture(autouse=True)
def traffic(monkeypatch: pytest.MonkeyPatch) -> Traffic:
    traffic = Traffic()
    for module in (profile, kafka_watch):
        monkeypatch.setattr(module, "traffic", traffic)
    return traffic


def statistics(name: str, sent: int, received: int) -> str:
    """What a client says; partitions have figures of similar names."""
    partition = {"txmsgs": 9, "txbytes": 99, "rxmsgs": 9, "rxbytes": 99}
    topics = {"trips": {"topic": "trips", "partitions": {"0": partition}}}
    document = {"name": name, "topics": topics, "txmsg_bytes": sent, "rxmsg_bytes": received}
    return json.dumps(document).replace('": ', '":')


def test_the_bytes_of_a_process_are_those_of_all_its_clients(traffic: Traffic) -> None:
    none = {"messages_sent": 0, "messages_received": 0}
    assert traffic.total() == none | {"bytes_sent": 0, "bytes_received": 0}
    traffic.note(statistics("rdkafka#producer-1", 10, 0))
    traffic.note(statistics("rdkafka#consumer-2", 0, 5))
    traffic.note(statistics("rdkafka#producer-1", 30, 0))  # it counts from its start
    traffic.note(statistics("rdkafka#producer-3", 100, 0))
    assert traffic.total() == none | {"bytes_sent": 130, "bytes_received": 5}


@pytest.mark.parametrize("fails", [False, True])
def test_a_process_leaves_its_figures_at_its_end_after_an_error_too(
    tmp_path: Path, traffic: Traffic, *, fails: bool
) -> None:
    path = tmp_path / f"consumer-1.{os.getpid()}.json"
    try:
        with profiled(tmp_path, "consumer-1"):
            assert traffic.is_wanted
            WAITED.labels("events").inc(2.5)
            traffic.count(received=7)
            traffic.count(received=3, sent=2)
            traffic.note(statistics("rdkafka#consumer-1", 0, 70))
            assert not path.exists()
            if fails:
                raise ZeroDivisionError
    except ZeroDivisionError:
        pass
    left = json.loads(path.read_text())
    assert left["waited_s"]["events"] >= 2.5
    assert (left["messages_sent"], left["messages_received"]) == (2, 10)
    assert (left["bytes_sent"], left["bytes_received"]) == (0, 70)
    assert left["other_threads_s"] >= 0.0


def test_without_a_profile_nothing_is_recorded(tmp_path: Path, traffic: Traffic) -> None:
    with profiled(None, "consumer-1"):
        assert not traffic.is_wanted
    assert list(tmp_path.iterdir()) == []
