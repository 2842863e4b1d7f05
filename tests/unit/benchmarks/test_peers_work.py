"""How contenders are told their work, hand in counts, and are found right or wrong."""

from pathlib import Path

import numpy as np
import pytest

from benchmarks.peers.registry import CONTENDERS, difference
from benchmarks.peers.topic import TripSet, first_days
from benchmarks.peers.work import Work, read_counts
from producers.month.trips import TripTable
from rushhour.core.hours import DAY_MS, HOUR_MS

START = 1_727_740_800_000


def work(directory: Path, hours: int = 2) -> Work:
    result = str(directory / "counts.csv")
    return Work(
        "run-1", "kafka:9092", "trips", 7, START, START + hours * HOUR_MS, result, str(directory)
    )


def test_the_environment_carries_the_work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in work(tmp_path).environment().items():
        monkeypatch.setenv(name, value)
    assert Work.from_environment() == work(tmp_path)


def test_exact_counts_are_exact_and_hours_after_the_end_do_not_count(tmp_path: Path) -> None:
    counts = {(1, START): 3, (132, START + HOUR_MS): 5}
    work(tmp_path).hand_in(counts | {(1, START + 50 * HOUR_MS): 1})
    assert difference(tmp_path / "counts.csv", counts) == ""


@pytest.mark.parametrize(
    ("handed_in", "said"),
    [
        ({(1, START): 2, (2, START): 4}, "1 of 2 counts differ, 0 too many; -1 trips"),
        ({(1, START): 3}, "1 of 2 counts differ, 0 too many; -4 trips"),
        (
            {(1, START): 3, (2, START): 4, (3, START): 1},
            "0 of 2 counts differ, 1 too many; +1 trips",
        ),
    ],
)
def test_wrong_counts_are_described(
    tmp_path: Path, handed_in: dict[tuple[int, int], int], said: str
) -> None:
    work(tmp_path).hand_in(handed_in)
    assert difference(tmp_path / "counts.csv", {(1, START): 3, (2, START): 4}) == said


def test_no_result_is_wrong(tmp_path: Path) -> None:
    assert difference(tmp_path / "counts.csv", {(1, START): 3}).startswith("no counts")


def test_an_hour_that_is_emitted_twice_is_an_error() -> None:
    with pytest.raises(ValueError, match="twice"):
        read_counts([f"1,{START},3", f"1,{START},4"])


def month_of(trips_per_day: list[int]) -> TripSet:
    times = np.concatenate(
        [np.full(trips, START + day * DAY_MS) for day, trips in enumerate(trips_per_day)]
    )
    table = TripTable(times, np.ones(len(times), np.int16), len(times), {})
    truth = {(1, START + day * DAY_MS): trips for day, trips in enumerate(trips_per_day)}
    return TripSet("yellow", table, START, START + len(trips_per_day) * DAY_MS, truth)


@pytest.mark.parametrize(("wanted", "days"), [(1, 1), (3, 1), (4, 2), (8, 2), (9, 3)])
def test_a_slow_contender_gets_as_many_days_as_have_its_trips(wanted: int, days: int) -> None:
    part = first_days(month_of([3, 5, 7]), wanted)
    assert part.end_ts == START + days * DAY_MS
    assert part.trips == sum([3, 5, 7][:days])


def test_the_whole_month_stays_what_it_is() -> None:
    month = month_of([3, 5])
    assert first_days(month, 8) is month


def test_every_contender_has_a_name_of_its_own_and_a_label_with_its_version() -> None:
    names = [contender.name for contender in CONTENDERS]
    assert len(set(names)) == len(names)
    assert all("{" not in contender.label for contender in CONTENDERS)
