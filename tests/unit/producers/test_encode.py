"""Partition, key and value of the messages of the replay."""

import msgspec
import numpy as np

from producers.encode import TripEncoder
from producers.month.trips import TripTable
from producers.numbering import number_trips
from rushhour.core.hours import HOUR_MS
from rushhour.core.topics import partition_of
from rushhour.core.zones import ZONE_IDS

START = 1_727_740_800_000
PARTITIONS = 4
RUN = "0123456789ab"


def encoder() -> TripEncoder:
    """One trip of every zone, a second apart."""
    zones = np.array(ZONE_IDS, np.int16)
    times = START + 1_000 * np.arange(len(zones), dtype=np.int64)
    table = TripTable(times, zones, len(zones), {})
    return TripEncoder(RUN, number_trips(table, START, START + HOUR_MS, PARTITIONS))


def test_a_trip_has_the_partition_and_the_key_of_its_zone() -> None:
    messages = encoder().trips(START, START + HOUR_MS)
    found = 0
    for partition, own in enumerate(messages):
        for seq, (key, value) in enumerate(own):
            trip = msgspec.json.decode(value or b"")
            assert key == b"%d" % trip["pickup_location_id"]
            assert partition == partition_of(trip["pickup_location_id"], PARTITIONS)
            assert (trip["seq"], trip["run_id"]) == (seq, RUN)
            found += 1
    assert found == len(ZONE_IDS)


def test_only_the_trips_of_the_requested_time_are_encoded() -> None:
    messages = encoder().trips(START + 100_000, START + 103_000)
    trips = [msgspec.json.decode(value or b"") for own in messages for _, value in own]
    assert sorted(trip["pickup_ts"] for trip in trips) == [
        START + 1_000 * second for second in (100, 101, 102)
    ]


def test_a_tick_has_no_key() -> None:
    messages = encoder().ticks(START)
    assert messages == PARTITIONS * [
        (
            None,
            b'{"type":"tick","run_id":"0123456789ab","sim_ts":1727740800000,"trips":0,'
            b'"checksum":"ef2fea0d9d38dc00"}',
        )
    ]
