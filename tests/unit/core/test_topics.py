import pytest
from hypothesis import given
from hypothesis import strategies as st

from rushhour.core.topics import TOPICS, murmur2, partition_of, zone_key, zone_routes
from rushhour.core.zones import ZONE_IDS

# The first six: `UtilsTest.testMurmur2` of Apache Kafka, signed as Java has them.
VECTORS = [
    (b"21", -973932308),
    (b"foobar", -790332482),
    (b"a-little-bit-long-string", -985981536),
    (b"a-little-bit-longer-string", -1486304829),
    (b"lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", -58897971),
    (b"abc", 479470107),
]


@pytest.mark.parametrize(("data", "java"), VECTORS)
def test_murmur2_is_that_of_kafka(data: bytes, java: int) -> None:
    assert murmur2(data) == java % 2**32


@given(st.binary(max_size=40))
def test_murmur2_is_an_unsigned_word(data: bytes) -> None:
    assert 0 <= murmur2(data) < 2**32


@pytest.mark.parametrize("partitions", [1, 2, 3, 4, 16, 256])
def test_every_zone_has_the_partition_of_kafkas_default_partitioner(partitions: int) -> None:
    for zone in ZONE_IDS:
        signed = murmur2(str(zone).encode())
        signed -= 2**32 if signed >= 2**31 else 0
        to_positive = signed & 0x7FFFFFFF  # Utils.toPositive
        assert partition_of(zone, partitions) == to_positive % partitions


def test_four_partitions_have_similar_numbers_of_zones() -> None:
    found = [partition_of(zone, 4) for zone in ZONE_IDS]
    assert all(40 <= found.count(partition) <= 95 for partition in range(4))


def test_the_key_of_a_zone_is_its_id_in_decimal() -> None:
    assert [zone_key(zone) for zone in (1, 132, 265)] == [b"1", b"132", b"265"]


def test_there_are_four_topics() -> None:
    assert TOPICS == (
        "trips",
        "hourly_rides",
        "predictions",
        "alerts",
        "dead_letters",
        "submissions",
    )


@pytest.mark.parametrize("partitions", [1, 4, 7])
def test_each_zone_goes_to_the_partition_of_its_key(partitions: int) -> None:
    routes = zone_routes(partitions)
    assert [key for _, key in routes] == [b"%d" % zone for zone in ZONE_IDS]
    assert [partition for partition, _ in routes] == [
        partition_of(int(key), partitions) for _, key in routes
    ]
