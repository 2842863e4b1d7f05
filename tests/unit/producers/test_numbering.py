"""Numbers and checksums of the trips on their partitions."""

from dataclasses import replace

import numpy as np
from hypothesis import example, given
from hypothesis import strategies as st

from producers.month.trips import TripTable
from producers.numbering import PartitionTrips, number_trips
from rushhour.core.events import Tick, Trip
from rushhour.core.hours import HOUR_MS
from rushhour.core.topics import partition_of
from rushhour.core.zones import ZONE_IDS
from tests.fixtures.trip_stream import numbered, stream_of

START = 1_727_740_800_000  # 2024-10-01 00:00
HOURS = 5
PICKUPS = st.lists(
    st.tuples(st.integers(START, START + HOURS * HOUR_MS - 1), st.sampled_from(ZONE_IDS)),
    max_size=40,
)


def table_of(pickups: list[tuple[int, int]]) -> TripTable:
    times = np.array([ts for ts, _ in pickups], np.int64)
    zones = np.array([zone for _, zone in pickups], np.int16)
    return TripTable(times, zones, len(pickups), {})


def trips_of(partition: PartitionTrips) -> list[Trip]:
    _, pickup_ts, zone = partition.trips.between(START, START + HOURS * HOUR_MS)
    return numbered(zip(pickup_ts.tolist(), zone.tolist(), strict=True))


@given(PICKUPS.map(sorted), st.integers(0, HOURS - 1), st.integers(1, HOURS), st.integers(1, 300))
@example([(START, 1), (START, 1)], 0, 1, 256)
def test_trips_are_numbered_on_each_partition_from_the_first_hour_of_the_run(
    pickups: list[tuple[int, int]], first: int, end: int, partitions: int
) -> None:
    start_ts, end_ts = START + first * HOUR_MS, START + max(end, first + 1) * HOUR_MS
    found = number_trips(table_of(pickups), start_ts, end_ts, partitions)
    assert len(found) == partitions
    for partition, trips in enumerate(found):
        own = numbered(
            (ts, zone)
            for ts, zone in pickups
            if start_ts <= ts < end_ts and partition_of(zone, partitions) == partition
        )
        assert trips_of(trips) == own
        stream = stream_of(own, start_ts, (end_ts - start_ts) // HOUR_MS)
        assert [trips.tick(hour) for hour in range(start_ts, end_ts + 1, HOUR_MS)] == [
            event for event in stream if isinstance(event, Tick)
        ]


@given(PICKUPS.map(sorted), st.integers(1, 6), st.data())
def test_trips_that_come_several_times_are_those_of_a_table_that_repeats_them(
    pickups: list[tuple[int, int]], partitions: int, data: st.DataObject
) -> None:
    """None of them, once or often: numbers, trips and ticks do not tell how they are kept."""
    copies = [data.draw(st.integers(0, 3)) for _ in pickups]
    repeated = [trip for trip, times in zip(pickups, copies, strict=True) for _ in range(times)]
    table = replace(table_of(pickups), copies=np.array(copies, np.int64))
    start_ts, end_ts = START + HOUR_MS, START + HOURS * HOUR_MS
    found = number_trips(table, start_ts, end_ts, partitions)
    plain = number_trips(table_of(repeated), start_ts, end_ts, partitions)
    for one, other in zip(found, plain, strict=True):
        for hour in range(start_ts, end_ts, HOUR_MS):
            first, times, zones = one.trips.between(hour, hour + HOUR_MS)
            expected_first, expected_times, expected_zones = other.trips.between(
                hour, hour + HOUR_MS
            )
            assert first == expected_first
            assert times.tolist() == expected_times.tolist()
            assert zones.tolist() == expected_zones.tolist()
        assert one.tick(end_ts) == other.tick(end_ts)
