"""Names of the Kafka topics, and the partition of each zone."""

from functools import cache

from rushhour.core.zones import ZONE_IDS

TRIPS = "trips"
HOURLY_RIDES = "hourly_rides"
PREDICTIONS = "predictions"
ALERTS = "alerts"
DEAD_LETTERS = "dead_letters"  # copies of records that a process has rejected
SUBMISSIONS = "submissions"  # predictions of users, and when each hour has begun
TOPICS = (TRIPS, HOURLY_RIDES, PREDICTIONS, ALERTS, DEAD_LETTERS, SUBMISSIONS)
# Written by the dataflow and joined by the consumer: these have the same number of partitions.
ZONE_TOPICS = (HOURLY_RIDES, PREDICTIONS, ALERTS)

Message = tuple[bytes | None, bytes | None]  # key and value
# For each partition of a topic its messages, in order.
Messages = list[list[Message]]

_SIGN_BIT_OFF = 0x7FFFFFFF
_WORD = 0xFFFFFFFF


def zone_key(zone: int) -> bytes:
    """Return the message key of a zone: its id in decimal."""
    return b"%d" % zone


def partition_of(zone: int, partitions: int) -> int:
    """Return the partition of a zone: that of Kafka's default partitioner for its key.

    Any Kafka client therefore sends the messages of a zone to the same partition.

    >>> [partition_of(zone, 4) for zone in (1, 132, 265)]
    [3, 1, 2]
    """
    return (murmur2(zone_key(zone)) & _SIGN_BIT_OFF) % partitions


def zone_routes(partitions: int) -> list[tuple[int, bytes]]:
    """Return the partition and the key of each zone, in the order of `ZONE_IDS`."""
    return [(partition_of(zone, partitions), zone_key(zone)) for zone in ZONE_IDS]


@cache
def murmur2(data: bytes) -> int:
    """Return Kafka's murmur2 hash as an unsigned 32-bit int.

    Source: `org.apache.kafka.common.utils.Utils.murmur2`.

    >>> murmur2(b"21") - 2**32
    -973932308
    """
    m, r = 0x5BD1E995, 24
    length = len(data)
    h = (0x9747B28C ^ length) & _WORD
    whole = length - length % 4
    for i in range(0, whole, 4):
        k = int.from_bytes(data[i : i + 4], "little")
        k = (k * m) & _WORD
        k ^= k >> r
        k = (k * m) & _WORD
        h = ((h * m) & _WORD) ^ k
    rest = data[whole:]
    if rest:
        h ^= int.from_bytes(rest, "little")
        h = (h * m) & _WORD
    h ^= h >> 13
    h = (h * m) & _WORD
    return h ^ (h >> 15)
