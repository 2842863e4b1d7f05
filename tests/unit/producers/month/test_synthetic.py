import hashlib
import subprocess
import sys

import numpy as np
import pytest

from producers.month.synthetic import rates, synthetic_trips
from rushhour.core.errors import DataError, UsageError
from rushhour.core.hours import (
    DAY_MS,
    HOUR_MS,
    HOURS_PER_WEEK,
    SECOND_MS,
    hour_of_week,
    parse_month,
)
from rushhour.core.zones import FIRST_ZONE, LAST_ZONE, ZONE_COUNT

DIGEST = """
import hashlib
from producers.month.synthetic import synthetic_trips
ts, zone = synthetic_trips("green", "2024-10")
print(hashlib.sha256(ts.tobytes() + zone.tobytes()).hexdigest())
"""


def test_rates_are_the_means_of_october() -> None:
    weekly = rates("yellow")
    assert weekly.shape == (HOURS_PER_WEEK, ZONE_COUNT)
    assert (weekly >= 0).all()
    # The busiest hour of the file is Sunday 27 October 01:00 in zone 79: 794 rides, one of
    # four such hours.
    sunday_1am = 6 * 24 + 1
    assert 794 / 4 < weekly[sunday_1am, 79 - FIRST_ZONE] < 794
    # Zone 105 has one ride in the month, on a kind of hour that comes four or five times.
    assert weekly[:, 105 - FIRST_ZONE].sum() in (0.2, 0.25)
    assert not weekly[:, [zone - FIRST_ZONE for zone in (99, 103, 104, 110)]].any()
    start, end = parse_month("2024-10")
    total = sum(weekly[hour_of_week(ts)].sum() for ts in range(start, end, HOUR_MS))
    assert total == pytest.approx(3_833_731, rel=1e-4)


def test_rates_cannot_be_changed_by_a_caller() -> None:
    with pytest.raises(ValueError, match="read-only"):
        rates("green")[0, 0] = 1


@pytest.mark.parametrize("month", ["2024-02", "2024-10"])
def test_trips_are_ordered_whole_seconds_of_the_month(month: str) -> None:
    ts, zone = synthetic_trips("green", month)
    start, end = parse_month(month)
    assert (ts.dtype.name, zone.dtype.name) == ("int64", "int16")
    assert len(ts) == len(zone)
    assert start <= ts[0] < start + HOUR_MS
    assert end - HOUR_MS <= ts[-1] < end
    assert not (ts % SECOND_MS).any()
    steps = np.diff(ts)
    assert (steps >= 0).all()
    assert (np.diff(zone)[steps == 0] >= 0).all()
    assert zone.min() >= FIRST_ZONE
    assert zone.max() <= LAST_ZONE


def test_trips_follow_the_rates() -> None:
    ts, zone = synthetic_trips("yellow", "2024-10")
    start, end = parse_month("2024-10")
    hours = (end - start) // HOUR_MS
    cell = (ts - start) // HOUR_MS * ZONE_COUNT + zone - FIRST_ZONE
    counts = np.bincount(cell, minlength=hours * ZONE_COUNT).reshape(hours, ZONE_COUNT)
    means = rates("yellow")[[hour_of_week(hour) for hour in range(start, end, HOUR_MS)]]
    assert not counts[means == 0].any()
    assert counts.sum() == pytest.approx(means.sum(), rel=0.003)
    busy = means > 20
    # A Poisson count has the variance of its mean.
    scores = (counts[busy] - means[busy]) / np.sqrt(means[busy])
    assert abs(scores.mean()) < 0.05
    assert scores.std() == pytest.approx(1, abs=0.05)


def test_seconds_are_spread_evenly_over_the_hour() -> None:
    ts, _ = synthetic_trips("yellow", "2024-10")
    minutes = np.bincount(ts % HOUR_MS // (60 * SECOND_MS), minlength=60)
    assert minutes.min() > 0.98 * len(ts) / 60
    assert minutes.max() < 1.02 * len(ts) / 60


def test_the_same_month_is_the_same_in_another_process() -> None:
    ts, zone = synthetic_trips("green", "2024-10")
    here = hashlib.sha256(ts.tobytes() + zone.tobytes()).hexdigest()
    there = subprocess.run(
        [sys.executable, "-c", DIGEST], check=True, capture_output=True, text=True
    ).stdout.strip()
    assert here == there


def test_months_differ_beyond_their_dates() -> None:
    # Both months begin on a Tuesday, so only the seed tells them apart.
    october, july = (synthetic_trips("green", month)[0] for month in ("2024-10", "2025-07"))
    first = [
        times[times < times[0] // DAY_MS * DAY_MS + DAY_MS] % DAY_MS for times in (october, july)
    ]
    assert not np.array_equal(first[0], first[1])


def test_an_unknown_dataset_or_month_is_refused() -> None:
    with pytest.raises(DataError, match="'fhv'"):
        synthetic_trips("fhv", "2024-10")
    with pytest.raises(UsageError, match="'October'"):
        synthetic_trips("green", "October")
