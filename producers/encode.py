"""Trips and ticks as Kafka messages, grouped by partition."""

from collections.abc import Sequence

from producers.numbering import PartitionTrips
from rushhour.core.codec import Codec, trip_codec
from rushhour.core.events import Trip, TripEvent
from rushhour.core.topics import Message, Messages, zone_key
from rushhour.core.zones import ZONE_IDS


class TripEncoder:
    """Encodes the trips and ticks of a run; `partitions` has the trips of each partition."""

    def __init__(self, run_id: str, partitions: Sequence[PartitionTrips]) -> None:
        self._codec: Codec[TripEvent] = trip_codec(run_id)
        self._partitions = partitions
        self._keys = {zone: zone_key(zone) for zone in ZONE_IDS}

    def trips(self, start_ts: int, end_ts: int) -> Messages:
        """Return the trips of [`start_ts`, `end_ts`), epoch ms, for each partition, in order."""
        return [self._encode(trips, start_ts, end_ts) for trips in self._partitions]

    def ticks(self, hour_ts: int) -> list[Message]:
        """Return the tick of each partition; it has no key, because it concerns all zones."""
        return [(None, self._codec.encode(trips.tick(hour_ts))) for trips in self._partitions]

    def _encode(self, trips: PartitionTrips, start_ts: int, end_ts: int) -> list[Message]:
        first, end = trips.before(start_ts), trips.before(end_ts)
        times, zones = trips.pickup_ts[first:end].tolist(), trips.zone[first:end].tolist()
        values = self._codec.encode_columns(Trip, range(first, end), times, zones)
        return list(zip(map(self._keys.__getitem__, zones), values, strict=True))
