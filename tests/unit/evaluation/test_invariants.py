"""The invariants of a run under way: each one can be violated."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from rushhour.core.hours import hour_label
from rushhour.core.run import RunInfo
from rushhour.simulator.evaluation.verification.invariants import (
    Invariants,
    Sample,
)

START = 1_727_740_800_000  # 2024-10-01 00:00
HOUR = 3_600_000
RUN = RunInfo("id", "green", "2024-10", "a", "/a", START, START + 48 * HOUR, consumers=2)
NAMES = RUN.processes


def entry(index: int) -> str:
    return f"{START + index * HOUR}-0"


def sample(hours: int, second: int, **changes: Any) -> Sample:
    """What a sound run shows after so many hours, if the hour before was closed a sample before."""
    last = str(START + (hours - 1) * HOUR)
    sound = Sample(
        run_id="id",
        now_ms=START + second * 1000,
        offsets={"predictions:0": str(265 * hours)},
        closed={"0": last},
        zone_hours={"zone:132": hour_label(int(last))},
        entries=tuple(entry(index) for index in range(max(hours - 2, 0), hours)),
        length=hours,
        clock={
            "now_ts": str(START + (hours + 2) * HOUR),
            "heartbeat_ts": str(START + second * 1000),
            "state": "running",
        },
        quality={"hours_closed": str(hours), "overlap": "1.0"},
        leases=dict.fromkeys(NAMES, "one"),
        epochs=dict.fromkeys(NAMES, 7),
    )
    return replace(sound, **changes)


def failed(*samples: Sample) -> list[str]:
    invariants = Invariants(RUN, ahead_hours=6)
    for each in samples:
        invariants.add(each)
    return [check.name for check in invariants.checks() if not check.passed]


def clock(**changes: str) -> Mapping[str, str]:
    return {**sample(2, 1).clock, **changes}


def test_a_sound_run_passes() -> None:
    assert failed(sample(1, 0), sample(2, 1), sample(3, 2), sample(4, 3)) == []


def test_a_run_that_has_not_begun_passes() -> None:
    empty = Sample("id", START, {}, {}, {}, (), 0, {}, {}, dict.fromkeys(NAMES, None), {})
    assert failed(replace(empty, epochs=dict.fromkeys(NAMES, 0))) == []


@pytest.mark.parametrize(
    ("changes", "violated"),
    [
        ({"offsets": {"predictions:0": "264"}}, "offsets never go back"),
        ({"offsets": {}}, "offsets never go back"),
        ({"closed": {"0": str(START - HOUR)}}, "closed hours never go back"),
        ({"zone_hours": {"zone:132": "2024-09-30T23"}}, "zones never go back"),
        ({"zone_hours": {}}, "zones never go back"),
        ({"entries": (entry(0), entry(2))}, "city:hourly has no hole"),
        ({"entries": (entry(0), entry(1), "1893456000000-0")}, "city:hourly has no hole"),
        ({"entries": (entry(0), f"{START + HOUR}-1")}, "city:hourly has no hole"),
        ({"length": 1}, "city:hourly has no hole"),
        ({"quality": {"hours_closed": "2", "overlap": "0.9"}}, "every closed hour is scored"),
        ({"quality": {"hours_closed": "1", "overlap": "1.0"}}, "every closed hour is scored"),
        ({"clock": clock(now_ts=str(START + 8 * HOUR + 1))}, "the producer keeps its lead"),
        ({"clock": clock(heartbeat_ts=str(START - 10_000))}, "the producer reports"),
        ({"leases": dict.fromkeys(NAMES, "other")}, "each lease has one owner"),
        ({"epochs": dict.fromkeys(NAMES, 6)}, "each lease has one owner"),
    ],
)
def test_a_violation_is_found(changes: dict[str, Any], violated: str) -> None:
    found = failed(sample(1, 0), sample(2, 1, **changes))
    assert [name for name in found if name != "every closed hour is scored"] == [
        name for name in [violated] if name != "every closed hour is scored"
    ]
    assert violated in found


def test_a_closed_hour_that_is_lost_is_found() -> None:
    lost = sample(1, 2, entries=(), offsets=sample(2, 1).offsets, closed=sample(2, 1).closed)
    assert "closed hours never go back" in failed(sample(1, 0), sample(2, 1), lost)


def test_a_lease_may_change_hands_with_a_new_epoch() -> None:
    taken = {"leases": dict.fromkeys(NAMES, "other"), "epochs": dict.fromkeys(NAMES, 8)}
    assert failed(sample(1, 0), sample(2, 1, **taken)) == []


def test_a_process_may_be_restarted_but_not_stay_away() -> None:
    away = {"leases": {**dict.fromkeys(NAMES, "one"), "consumer-1": None}}
    assert failed(sample(1, 0), sample(2, 5, **away), sample(3, 12)) == []
    assert failed(sample(1, 0), sample(2, 5, **away), sample(3, 25, **away)) == [
        "every process is there"
    ]


def test_at_the_end_nobody_has_to_be_there() -> None:
    over = {"leases": dict.fromkeys(NAMES, None), "clock": clock(state="finished")}
    assert failed(sample(1, 0), sample(2, 1, **over), sample(3, 60, **over)) == []


def test_the_summary_tells_what_was_watched() -> None:
    invariants = Invariants(RUN, ahead_hours=6)
    for each in (sample(1, 0), sample(2, 3)):
        invariants.add(each)
    assert invariants.last_entry == entry(1)
    assert invariants.summary().detail == "2 samples in 3.0 s, 2 of 48 hours are closed"
