"""Trips and ticks as Kafka messages, grouped by partition."""

from collections.abc import Iterable, Iterator, Sequence

from producers.looping import LoopedPartition
from producers.numbering import PartitionTrips, Trips
from rushhour.core.codec import Codec, trip_codec
from rushhour.core.events import Trip, TripEvent
from rushhour.core.topics import Message, zone_key
from rushhour.core.zones import ZONE_IDS


class TripEncoder:
    """Encodes the trips and ticks of a run; `partitions` has the trips of each partition."""

    def __init__(self, run_id: str, partitions: Sequence[PartitionTrips | LoopedPartition]) -> None:
        self._codec: Codec[TripEvent] = trip_codec(run_id)
        self._partitions = partitions
        self._keys = {zone: zone_key(zone) for zone in ZONE_IDS}

    def trips(self, start_ts: int, end_ts: int) -> Iterator[Iterable[Message]]:
        """Yield the trips of [`start_ts`, `end_ts`), epoch ms, of each partition, in order."""
        for partition in self._partitions:
            yield self._encode(partition.trips, start_ts, end_ts)

    def ticks(self, hour_ts: int) -> list[Message]:
        """Return the tick of each partition; it has no key, because it concerns all zones."""
        return [(None, self._codec.encode(trips.tick(hour_ts))) for trips in self._partitions]

    def _encode(self, trips: Trips, start_ts: int, end_ts: int) -> Iterable[Message]:
        first, pickup_ts, zone = trips.between(start_ts, end_ts)
        times, zones = pickup_ts.tolist(), zone.tolist()
        seqs = range(first, first + len(zones))
        values = self._codec.encode_columns(Trip, seqs, times, zones)
        return zip(map(self._keys.__getitem__, zones), values, strict=True)
