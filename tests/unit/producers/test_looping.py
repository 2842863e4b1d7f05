import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from producers.looping import LoopedPartition, loop_partition
from producers.month.trips import TripTable
from producers.numbering import number_trips
from rushhour.core.checksums import add, tick_checksum, total, trip_hashes
from rushhour.core.hours import DAY_MS, HOUR_MS, WEEK_MS, hour_of_week

START = 1_727_910_000_000  # Wednesday 2024-10-02 23:00
END = START + 9 * DAY_MS
Trips = list[tuple[int, int, int]]

offsets = st.lists(st.integers(0, END - START - 1), max_size=40).map(sorted)
copies = st.none() | st.integers(0, 3)


def partition(pickups: list[int], times: int | None = None) -> LoopedPartition:
    zones = np.array([1 + index % 265 for index in range(len(pickups))], np.int16)
    of_each = None if times is None else np.full(len(pickups), times)
    table = TripTable(np.array(pickups, np.int64) + START, zones, len(pickups), {}, of_each)
    (plain,) = number_trips(table, START, END, 1)
    return loop_partition(plain, END, WEEK_MS)


def play(looped: LoopedPartition, first_ts: int, end_ts: int) -> Trips:
    """Return number, time and zone of each trip, asked for hour by hour as the replay does."""
    found: Trips = []
    for hour in range(first_ts, end_ts, HOUR_MS):
        first, times, zones = looped.trips.between(hour, hour + HOUR_MS)
        found += zip(range(first, first + len(zones)), times.tolist(), zones.tolist(), strict=True)
    return found


@given(offsets, copies)
def test_trips_are_numbered_on_and_time_only_moves_forward(
    pickups: list[int], times: int | None
) -> None:
    looped = partition(pickups, times)
    end = END + 3 * WEEK_MS

    trips = play(looped, START, end)

    assert [seq for seq, _, _ in trips] == list(range(looped.trips.before(end)))
    moments = [ts for _, ts, _ in trips]
    assert moments == sorted(moments)


@given(offsets)
def test_each_pass_has_the_trips_of_the_last_week_on_later_dates(pickups: list[int]) -> None:
    trips = play(partition(pickups), START, END + 3 * WEEK_MS)
    last_week = [(ts, zone) for _, ts, zone in trips if END - WEEK_MS <= ts < END]
    for number in (1, 2, 3):
        shift = number * WEEK_MS
        again = [(ts, zone) for _, ts, zone in trips if 0 <= ts - shift - END + WEEK_MS < WEEK_MS]
        assert again == [(ts + shift, zone) for ts, zone in last_week]
        hours = [hour_of_week(ts) for ts, _ in again]
        assert hours == [hour_of_week(ts) for ts, _ in last_week]


@given(offsets, copies, st.integers(0, (END + 3 * WEEK_MS - START) // HOUR_MS))
def test_a_tick_has_the_number_and_the_checksum_of_the_trips_before_it(
    pickups: list[int], times: int | None, hours: int
) -> None:
    hour_ts = START + hours * HOUR_MS
    expected = 0
    for seq, ts, zone in play(partition(pickups, times), START, hour_ts):
        hashes = trip_hashes(np.array([seq]), np.array([ts]), np.array([zone]))
        expected = add(expected, total(hashes))

    resumed = partition(pickups, times)
    tick = resumed.tick(hour_ts)

    assert tick.trips == resumed.trips.before(hour_ts)
    assert tick.checksum == tick_checksum(expected, hour_ts)
    one_by_one = partition(pickups, times)
    for hour in range(START, hour_ts, HOUR_MS):
        one_by_one.tick(hour)
    assert one_by_one.tick(hour_ts) == tick == one_by_one.tick(hour_ts)


def test_the_first_pass_is_that_of_a_plain_run() -> None:
    pickups = list(range(0, END - START, 7 * HOUR_MS))
    table = TripTable(np.array(pickups) + START, np.ones(len(pickups), np.int16), len(pickups), {})
    (plain,) = number_trips(table, START, END, 1)
    looped = loop_partition(plain, END, WEEK_MS)
    for hour in range(START, END + 1, HOUR_MS):
        assert looped.tick(hour) == plain.tick(hour)
        assert looped.trips.before(hour) == plain.trips.before(hour)
