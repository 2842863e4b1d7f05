"""Partition, key and value of the messages of the replay."""

import msgspec
import numpy as np

from producers.encode import TripEncoder
from producers.trips import TripTable
from rushhour.core.topics import partition_of
from rushhour.core.zones import ZONE_IDS

START = 1_727_740_800_000
PARTITIONS = 4
RUN = "0123456789ab"


def table() -> TripTable:
    """One trip of every zone, a second apart."""
    zones = np.array(ZONE_IDS, np.int16)
    times = START + 1_000 * np.arange(len(zones), dtype=np.int64)
    return TripTable(times, zones, len(zones), {})


def test_a_trip_has_the_partition_and_the_key_of_its_zone() -> None:
    messages = TripEncoder(RUN, PARTITIONS).trips(table(), 0, len(table()))
    found = 0
    for partition, own in enumerate(messages):
        for message in own:
            trip = msgspec.json.decode(message["value"])
            assert message["key"] == b"%d" % trip["pickup_location_id"]
            assert partition == partition_of(trip["pickup_location_id"], PARTITIONS)
            found += 1
    assert found == len(ZONE_IDS)


def test_only_the_requested_trips_are_encoded_with_their_index_as_seq() -> None:
    messages = TripEncoder(RUN, PARTITIONS).trips(table(), 100, 103)
    trips = [msgspec.json.decode(message["value"]) for own in messages for message in own]
    assert sorted((trip["seq"], trip["pickup_ts"]) for trip in trips) == [
        (seq, START + 1_000 * seq) for seq in (100, 101, 102)
    ]


def test_a_tick_has_no_key() -> None:
    message = TripEncoder(RUN, PARTITIONS).tick(START, final=True)
    assert message == {
        "value": b'{"type":"tick","run_id":"0123456789ab","sim_ts":1727740800000,"final":true}'
    }
