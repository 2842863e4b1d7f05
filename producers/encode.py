"""Trips and ticks as Kafka messages, grouped by partition."""

from typing import Any

from producers.trips import TripTable
from rushhour.core.codec import Codec, trip_codec
from rushhour.core.events import Tick, Trip, TripEvent
from rushhour.core.topics import zone_routes
from rushhour.core.zones import FIRST_ZONE

Message = dict[str, Any]


class TripEncoder:
    """Encodes ranges of a trip table; each trip goes to the partition of its zone."""

    def __init__(self, run_id: str, partitions: int) -> None:
        self.partitions = partitions
        self._codec: Codec[TripEvent] = trip_codec(run_id)
        self._routes = zone_routes(partitions)

    def trips(self, table: TripTable, first: int, end: int) -> list[list[Message]]:
        """Return the messages of trips [`first`, `end`) for each partition, in pickup order."""
        out: list[list[Message]] = [[] for _ in range(self.partitions)]
        encode, routes = self._codec.encode, self._routes
        times = table.pickup_ts[first:end].tolist()
        zones = table.zone[first:end].tolist()
        for seq, ts, zone in zip(range(first, end), times, zones, strict=True):
            partition, key = routes[zone - FIRST_ZONE]
            out[partition].append({"key": key, "value": encode(Trip(seq, ts, zone))})
        return out

    def tick(self, sim_ts: int, *, final: bool) -> Message:
        """Return the message of a tick; it has no key, because it concerns all zones."""
        return {"value": self._codec.encode(Tick(sim_ts, final))}
