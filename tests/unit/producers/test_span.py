"""Several months as one stream: nothing tells where one file ends and the next begins."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from producers.looping import loop_partition
from producers.month.run_months import RunMonths
from producers.month.surge import apply_surges
from producers.month.trips import TripTable
from producers.numbering import Trips, number_trips
from producers.span import HELD, Span
from rushhour.core.errors import DataError
from rushhour.core.hours import DAY_MS, HOUR_MS, WEEK_MS, parse_from, parse_month, to_datetime
from rushhour.core.run import SYNTHETIC, RunInfo, TripFile
from rushhour.core.surges import Surge
from rushhour.simulator.evaluation.demand import recount
from tests.fixtures.trips import TripRow, sha256_of, write_trips

START = parse_month("2024-02")[0]
HOURS = 60
END = START + HOURS * HOUR_MS
PARTITIONS = 3
Trip = tuple[int, int]

PICKUPS = st.lists(
    st.tuples(st.integers(START, END - 1), st.sampled_from([1, 2, 132, 265])), max_size=60
).map(sorted)
# The first hours of the months after the first one.
CUTS = st.lists(st.integers(1, HOURS - 1), max_size=4, unique=True).map(sorted)
SURGE = Surge(132, Decimal("1.3"), START + 7 * HOUR_MS)


def table_of(trips: Sequence[Trip]) -> TripTable:
    times, zones = [ts for ts, _ in trips], [zone for _, zone in trips]
    return TripTable(np.array(times, np.int64), np.array(zones, np.int16), len(trips), {"odd": 1})


@dataclass
class Cut:
    """A span of trips that is cut into months, and which of them have been read, in order."""

    trips: Sequence[Trip]
    starts: Sequence[int]
    surges: Sequence[Surge] = ()
    reads: list[int] = field(default_factory=list)

    def read(self, index: int) -> TripTable:
        self.reads.append(index)
        bounds = [*self.starts, END]
        own = [trip for trip in self.trips if bounds[index] <= trip[0] < bounds[index + 1]]
        if not self.surges:
            return table_of(own)
        earlier = [trip for trip in self.trips if trip[0] < bounds[index]]
        surged = [
            sum(ts >= surge.from_ts and zone == surge.zone for ts, zone in earlier)
            for surge in self.surges
        ]
        return apply_surges(table_of(own), self.surges, surged)


def starts_of(cuts: Sequence[int]) -> list[int]:
    return [START, *(START + hour * HOUR_MS for hour in cuts)]


def columns(trips: Trips, start_ts: int, end_ts: int) -> tuple[int, list[int], list[int]]:
    first, times, zones = trips.between(start_ts, end_ts)
    return first, times.tolist(), zones.tolist()


@given(PICKUPS, CUTS, st.integers(0, HOURS - 1), st.integers(1, HOURS), st.booleans())
@example([(START + HOUR_MS - 1, 1), (START + HOUR_MS, 1)], [1], 0, HOURS, False)
def test_a_span_that_is_cut_into_months_is_the_whole_one(
    pickups: list[Trip], cuts: list[int], first: int, end: int, surged: bool
) -> None:
    start_ts, end_ts = START + first * HOUR_MS, START + max(end, first + 1) * HOUR_MS
    surges = [SURGE] if surged else []
    whole = apply_surges(table_of(pickups), surges)
    expected = number_trips(whole, start_ts, end_ts, PARTITIONS)

    months = Cut(pickups, starts_of(cuts), surges)
    span = Span(months, start_ts, end_ts, PARTITIONS)

    assert (span.rows, span.usable) == (len(pickups), len(whole))
    assert dict(span.rejected) == {"odd": len(cuts) + 1}
    for found, one in zip(span.partitions, expected, strict=True):
        assert list(found.totals) == list(one.totals)
        assert columns(found.trips, start_ts, end_ts) == columns(one.trips, start_ts, end_ts)
    months.reads.clear()
    # As the replay asks: hour by hour, all partitions; then from an hour in the middle on.
    for begin_ts in (start_ts, start_ts + (end_ts - start_ts) // HOUR_MS // 2 * HOUR_MS):
        for hour_ts in range(begin_ts, end_ts, HOUR_MS):
            half = hour_ts + HOUR_MS // 2
            for found, one in zip(span.partitions, expected, strict=True):
                assert found.tick(hour_ts) == one.tick(hour_ts)
                assert found.trips.before(half) == one.trips.before(half)
                for part in ((hour_ts, half), (half, hour_ts + HOUR_MS)):
                    assert columns(found.trips, *part) == columns(one.trips, *part)
    assert [each.tick(end_ts) for each in span.partitions] == [
        each.tick(end_ts) for each in expected
    ]
    assert len(months.reads) <= 2 * (len(cuts) + 1)  # each month once, whatever is asked for


def test_no_more_than_two_months_are_held_and_each_is_read_when_it_is_due() -> None:
    pickups = [(ts, 132) for ts in range(START, END, HOUR_MS // 4)]
    months = Cut(pickups, starts_of([12, 24, 36, 48]))
    span = Span(months, START, END, PARTITIONS)
    assert months.reads == [0, 1, 2, 3, 4]
    months.reads.clear()
    for hour_ts in range(START, END, HOUR_MS):
        for partition in span.partitions:
            partition.tick(hour_ts)  # at a seam: of the month before
            held = span._held
            assert len(held) <= HELD
        assert months.reads == list(range((hour_ts - 1 - START) // (12 * HOUR_MS) + 1))
        for partition in span.partitions:
            partition.trips.between(hour_ts, hour_ts + HOUR_MS)
    assert months.reads == [0, 1, 2, 3, 4]


def test_a_run_of_one_month_reads_it_once() -> None:
    months = Cut([(ts, 132) for ts in range(START, END, HOUR_MS)], [START])
    span = Span(months, START, END, PARTITIONS)
    for hour_ts in range(START, END + 1, HOUR_MS):
        for partition in span.partitions:
            partition.tick(hour_ts)
            partition.trips.between(hour_ts, hour_ts + HOUR_MS)
    assert months.reads == [0]


# Runs of several months.

ROWS: dict[str, list[TripRow]] = {
    "2023-12": [
        ("2023-11-30 23:59:59.999999", 132),  # not of the month
        ("2023-12-31 23:59:59.999999", 132),
        ("2023-12-31 23:30:00", 79),
        ("2024-01-01 00:00:00", 132),  # of the next file's month, and not in that file
        ("2023-12-31 23:00:00", 999),
    ],
    "2024-01": [
        ("2024-01-01 00:00:00", 79),
        ("2024-01-01 00:30:00", 132),
        ("2023-12-31 23:59:59", 132),  # of the last file's month
        (None, 132),
        ("2024-01-31 23:59:59.999999", 132),
    ],
    "2024-02": [
        ("2024-02-01 00:00:00", 132),
        ("2024-02-29 23:59:59.999999", 132),  # a leap year
        ("2024-03-01 00:00:00", 132),
        ("2024-02-10 02:30:00", None),
    ],
}


@pytest.fixture
def run(tmp_path: Path) -> RunInfo:
    """A run over the files of three months, and over the end of a year and the 29th of February."""
    files = [
        write_trips(tmp_path / f"green_tripdata_{month}.parquet", rows)
        for month, rows in ROWS.items()
    ]
    run = RunInfo(
        "id", "green", "2023-12..2024-02", SYNTHETIC, "",
        parse_month("2023-12")[0], parse_month("2024-02")[1],
    )  # fmt: skip
    return run.of_files(
        [TripFile(str(file), 5, file.stat().st_size, sha256_of(file)) for file in files]
    )


def replayed(run: RunInfo) -> list[tuple[str, int]]:
    """The trips of a run, and when they are picked up."""
    span = Span(RunMonths(run), run.start_ts, run.first_pass_end_ts, 1)
    (only,) = span.partitions
    first, times, zones = only.trips.between(run.start_ts, run.first_pass_end_ts)
    assert first == 0
    return [
        (str(to_datetime(ts).replace(tzinfo=None)), zone)
        for ts, zone in zip(times.tolist(), zones.tolist(), strict=True)
    ]


def test_each_file_gives_the_trips_of_its_month_and_its_other_rows_are_rejected(
    run: RunInfo,
) -> None:
    assert replayed(run) == [
        ("2023-12-31 23:30:00", 79),
        ("2023-12-31 23:59:59.999000", 132),
        ("2024-01-01 00:00:00", 79),
        ("2024-01-01 00:30:00", 132),
        ("2024-01-31 23:59:59.999000", 132),
        ("2024-02-01 00:00:00", 132),
        ("2024-02-29 23:59:59.999000", 132),
    ]
    span = Span(RunMonths(run), run.start_ts, run.end_ts, 4)
    assert (span.rows, span.usable) == (14, 7)
    assert span.rejected == {
        "null_time": 1, "outside_month": 4, "null_zone": 1, "unknown_zone": 1
    }  # fmt: skip


def test_a_file_of_the_span_that_was_replaced_is_refused_when_its_month_is_read(
    run: RunInfo,
) -> None:
    months = RunMonths(run)
    months.read(0)
    write_trips(Path(run.files[1].path), [("2024-01-02 00:00:00", 1)])
    with pytest.raises(
        DataError, match=r"green_tripdata_2024-01\.parquet is not the file this run"
    ):
        months.read(1)


@pytest.mark.parametrize(
    "surge", ["", "132:0.3@2023-12-31 23:00", "132:1.7@2024-01-01,79:0.5@2023-01-01"]
)
@pytest.mark.parametrize("weeks", [0, 3])
@pytest.mark.parametrize("first", ["2023-12-01", "2024-01-01"])
def test_a_recount_of_the_files_finds_what_is_replayed(
    run: RunInfo, surge: str, weeks: int, first: str
) -> None:
    shift = timedelta(weeks=weeks)
    run = replace(
        run,
        surge=surge,
        start_ts=parse_from(first) + weeks * WEEK_MS,
        end_ts=run.end_ts + weeks * WEEK_MS,
        shift_weeks=weeks,
    )
    counted = recount(run, [Path(file.path) for file in run.files])
    found = replayed(run)
    expected = Counter(
        (datetime.fromisoformat(moment).replace(minute=0, second=0, microsecond=0), zone)
        for moment, zone in found
    )
    assert {pair: rides for pair, rides in counted.rides.stack().items() if rides} == expected
    span = Span(RunMonths(run), run.start_ts, run.end_ts, 4)
    assert (counted.rows, counted.rejected, counted.usable) == (
        span.rows,
        dict(span.rejected),
        span.usable,
    )
    assert counted.rides.index[0] == datetime.fromisoformat(first) + shift


def test_synthetic_months_are_those_of_each_month_in_a_row() -> None:
    start_ts, end_ts = parse_from("2024-10-31 20:00"), parse_from("2024-11-04 00:00")
    run = RunInfo("id", "green", "2024-10..2024-11", SYNTHETIC, "", start_ts, end_ts)
    # Clocks of New York go back on 3 November: a day has 24 hours here all the same.
    expected = [
        moment
        for month in ("2024-10", "2024-11")
        for moment in replayed(replace(run, month=month))
        if moment[0].startswith(month)
    ]
    assert replayed(run) == expected
    rides = recount(run, ()).rides
    assert len(rides) == 4 + 72
    assert rides.to_numpy().sum() == len(expected)


# A loop.


def test_a_loop_over_a_seam_plays_the_weeks_before_its_end_without_a_file_more() -> None:
    days = 20
    end = START + days * DAY_MS
    pickups = [(ts, 1 + index % 265) for index, ts in enumerate(range(START, end, 977_777))]
    whole = loop_partition(number_trips(table_of(pickups), START, end, 1)[0], end, WEEK_MS * 2)

    class Months(Cut):
        def read(self, index: int) -> TripTable:
            self.reads.append(index)
            bounds = [*self.starts, end]
            return table_of([t for t in pickups if bounds[index] <= t[0] < bounds[index + 1]])

    months = Months(pickups, [START, START + 3 * DAY_MS, START + 11 * DAY_MS])
    span = Span(months, START, end, 1)
    looped = loop_partition(span.partitions[0], end, WEEK_MS * 2)
    for hour_ts in range(START, end + 5 * WEEK_MS, HOUR_MS):
        assert looped.tick(hour_ts) == whole.tick(hour_ts)
        hour = (hour_ts, hour_ts + HOUR_MS)
        assert columns(looped.trips, *hour) == columns(whole.trips, *hour)
    assert months.reads == [0, 1, 2, 0, 1, 2]
    resumed = loop_partition(Span(months, START, end, 1).partitions[0], end, WEEK_MS * 2)
    late = end + 4 * WEEK_MS + 5 * HOUR_MS
    assert resumed.tick(late) == whole.tick(late)
