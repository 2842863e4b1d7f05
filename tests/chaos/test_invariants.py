"""Invariants and verdicts: what they find, and what they allow."""

import os
from dataclasses import replace
from pathlib import Path

import pytest
import redis

from rushhour.core.hours import HOUR_MS, hour_label
from tests.chaos.control import Event
from tests.chaos.invariants import Sample, Watch, holes, went_back
from tests.chaos.schedule import Step, Trigger
from tests.chaos.supervisor import End
from tests.chaos.verdict import defects, judge, tracebacks

START = 1_727_740_800_000  # 2024-10-01 00:00
TWO = START + 2 * HOUR_MS
BEFORE = Sample({"trips:0": 7}, {"0": START}, {"zone:1": START}, (START, START + HOUR_MS))
STEP = Step(Trigger("consumer", "lease.renew", 1), "kill")


def test_a_later_sample_is_fine() -> None:
    later = Sample({"trips:0": 9}, {"0": TWO}, {"zone:1": TWO}, (START, START + HOUR_MS, TWO))
    assert went_back(BEFORE, BEFORE) == went_back(BEFORE, later) == []


@pytest.mark.parametrize(
    ("now", "line"),
    [
        (replace(BEFORE, offsets={"trips:0": 6}), "sim:offsets went back: trips:0 from 7 to 6"),
        (replace(BEFORE, closed={}), "sim:closed went back"),
        (replace(BEFORE, zone_hours={"zone:1": 0}), "the hour of a zone went back: zone:1"),
        (replace(BEFORE, city_hours=(START,)), "city:hourly went back"),
    ],
)
def test_what_goes_back_is_found(now: Sample, line: str) -> None:
    (found,) = went_back(BEFORE, now)
    assert line in found


def test_a_hole_in_the_hours_of_the_city_is_found() -> None:
    assert holes(BEFORE, START) == []
    assert holes(replace(BEFORE, city_hours=(START, TWO)), START) == [
        "city:hourly lacks 2024-10-01 01:00"
    ]


@pytest.fixture
def watch(client: redis.Redis) -> Watch:
    return Watch(client, START, START + 36 * HOUR_MS, ahead_hours=2)


def note(watch: Watch, name: str, hour: int, pid: int = 1) -> None:
    watch.note("consumer-0", Event(name, 1, pid, {"hour": START + hour * HOUR_MS}))


def test_a_process_that_writes_after_its_successor_is_found(watch: Watch) -> None:
    for pid in (1, 1, 2, 2):
        note(watch, "consumer.written", 0, pid)
    assert watch.violations == []
    note(watch, "consumer.written", 0, pid=1)
    assert watch.violations == ["consumer-0 1 wrote after its successor 2"]


def test_redis_that_went_back_is_found_unless_a_fault_put_it_back(
    watch: Watch, client: redis.Redis
) -> None:
    for hour in (3, 4):
        client.hset("zone:1", "hour", hour_label(START + hour * HOUR_MS))
        note(watch, "consumer.written", hour)
    client.hset("zone:1", "hour", hour_label(START))
    watch.forget()
    note(watch, "consumer.written", 0)
    assert watch.violations == []
    client.hdel("zone:1", "hour")
    note(watch, "consumer.written", 0)
    assert watch.violations == [f"the hour of a zone went back: zone:1 from {START} to None"]


def test_a_producer_too_far_ahead_is_found(watch: Watch, client: redis.Redis) -> None:
    client.xadd("city:hourly", {"rides": "1"}, id=f"{START}-0")
    note(watch, "consumer.closed", 0)
    note(watch, "producer.tick", 3)
    assert watch.violations == []
    note(watch, "producer.tick", 4)
    assert watch.violations == ["the producer is 3 hours ahead, 2 are allowed"]


def test_memory_beyond_its_bound_is_found(watch: Watch, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tests.chaos.invariants.MEMORY_BOUND_MIB", 1 << 20)
    assert not watch.note_memory("consumer-0", os.getpid())
    monkeypatch.setattr("tests.chaos.invariants.MEMORY_BOUND_MIB", 1)
    assert watch.note_memory("consumer-0", os.getpid())
    assert watch.violations == ["consumer-0 needs more than 1 MiB of memory"]


def test_a_run_that_finished_different_is_never_allowed() -> None:
    empty = replace(STEP, fault="redis.empty")
    assert judge("different", None, [empty], ["a is missing"]) == ["differs: a is missing"]
    assert judge("equal", None, [empty], []) == []


def test_a_run_may_stop_where_its_fault_allows_it() -> None:
    stopped = End("consumer-0", 5, "this Redis holds no run")
    assert judge("stopped", stopped, [replace(STEP, fault="redis.empty")], []) == []
    (problem,) = judge("stopped", stopped, [STEP], [])
    assert "none of the faults allows it" in problem


def test_a_defect_is_never_allowed() -> None:
    stopped = End("consumer-0", 1, "unexpected KeyError")
    (problem,) = judge("stopped", stopped, [replace(STEP, fault="redis.empty")], [])
    assert "not a documented exit code" in problem
    ends = [End("consumer-0", code, "") for code in (0, 4, 5, 6, 130, -9, -15)]
    assert defects(ends) == []
    assert len(defects([End("consumer-0", 1, ""), End("dataflow-0", -6, "")])) == 2


def test_a_traceback_is_found(tmp_path: Path) -> None:
    good, bad = tmp_path / "good.log", tmp_path / "bad.log"
    good.write_text("consumer: Redis at localhost: connection refused\n")
    bad.write_text("Traceback (most recent call last):\n  ...\nKeyError\n")
    assert tracebacks([good, bad]) == ["a traceback in bad.log"]


def test_a_run_that_does_not_move_has_failed() -> None:
    assert judge("stuck", None, [STEP], []) != []
