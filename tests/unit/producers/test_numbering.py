"""Numbers and checksums of the trips on their partitions."""

import numpy as np
from hypothesis import example, given
from hypothesis import strategies as st

from producers.numbering import PartitionTrips, number_trips
from producers.trips import TripTable
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


def trips_of(trips: PartitionTrips) -> list[Trip]:
    return numbered(zip(trips.pickup_ts.tolist(), trips.zone.tolist(), strict=True))


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
