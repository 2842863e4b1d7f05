"""Rides per zone and hour in event time, with ticks as watermarks.

Each partition is counted separately and closes an hour when a tick reaches the hour's end. The
city closes an hour when all partitions have. Independent of Kafka, Bytewax and the wall clock.
"""

import copy
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from rushhour.core.arrays import Counts
from rushhour.core.events import Tick, Trip, TripEvent
from rushhour.core.hours import HOUR_MS, clock_label, floor_hour
from rushhour.core.zones import FIRST_ZONE, ZONE_COUNT


class LateTripError(ValueError):
    """A trip arrived after a tick that excluded it."""


@dataclass(frozen=True, slots=True)
class TripBatch:
    """Trips and ticks of one partition, in stream order, as columns.

    `seq`, `pickup_ts` (epoch milliseconds) and `zone` (location id) have one value per trip.
    `ticks` are pairs of the number of trips in the batch before a tick, and the tick.
    """

    partition: int
    seq: npt.NDArray[np.int64]
    pickup_ts: npt.NDArray[np.int64]
    zone: npt.NDArray[np.int64]
    ticks: tuple[tuple[int, Tick], ...]

    @classmethod
    def of(cls, partition: int, events: list[TripEvent]) -> "TripBatch":
        """Return decoded events as columns."""
        trips: list[Trip] = []
        ticks: list[tuple[int, Tick]] = []
        for event in events:
            if type(event) is Trip:
                trips.append(event)
            elif type(event) is Tick:
                ticks.append((len(trips), event))
        count = len(trips)
        return cls(
            partition,
            np.fromiter((trip.seq for trip in trips), np.int64, count),
            np.fromiter((trip.pickup_ts for trip in trips), np.int64, count),
            np.fromiter((trip.pickup_location_id for trip in trips), np.int64, count),
            tuple(ticks),
        )


@dataclass(frozen=True, slots=True)
class PartitionProgress:
    """A step of one partition: its new watermark, and the hours that it closed.

    `watermark` is epoch milliseconds. `closed` has the rides of all zones, `int64[zones]`, by the
    start of the hour.
    """

    partition: int
    watermark: int
    closed: dict[int, Counts]


@dataclass
class PartitionCounter:
    """Counts the trips of one partition into hours, and closes hours on its ticks.

    A trip whose `seq` is not above the highest one seen is a duplicate, sent again by a producer
    that restarted: it is dropped and counted in `duplicates`. The fields are the whole state;
    `snapshot` copies it.
    """

    partition: int
    watermark: int | None = None
    last_seq: int = -1
    duplicates: int = 0
    open_hours: dict[int, Counts] = field(default_factory=dict)

    def update(self, batch: TripBatch) -> PartitionProgress | None:
        """Count a batch; return what it closed, or None if no tick moved the watermark.

        Raises
        ------
        LateTripError
            If a trip arrives after a tick later than its pickup, or before the first tick.
        """
        closed: dict[int, Counts] = {}
        before = self.watermark
        start = 0
        for end, tick in batch.ticks:
            self._count(batch, start, end)
            self._close_until(tick.sim_ts, closed)
            start = end
        self._count(batch, start, len(batch.seq))
        if self.watermark is None or self.watermark == before:
            return None
        return PartitionProgress(self.partition, self.watermark, closed)

    def snapshot(self) -> "PartitionCounter":
        """Return a copy of the state, independent of later updates."""
        return copy.deepcopy(self)

    def _count(self, batch: TripBatch, start: int, end: int) -> None:
        if start == end:
            return
        seq, ts, zone = batch.seq[start:end], batch.pickup_ts[start:end], batch.zone[start:end]
        highest_before = np.maximum.accumulate(np.concatenate(([self.last_seq], seq[:-1])))
        new = seq > highest_before
        if not new.all():
            self.duplicates += int((~new).sum())
            seq, ts, zone = seq[new], ts[new], zone[new]
            if not len(seq):
                return
        self.last_seq = int(seq[-1])
        earliest = int(ts.min())
        if self.watermark is None or earliest < self.watermark:
            when = (
                "before the first tick"
                if self.watermark is None
                else f"after the tick for {clock_label(self.watermark)}"
            )
            raise LateTripError(f"a trip picked up at {clock_label(earliest)} arrived {when}")
        hours = ts - ts % HOUR_MS
        for hour in np.unique(hours).tolist():
            counts = np.bincount(zone[hours == hour] - FIRST_ZONE, minlength=ZONE_COUNT)
            if hour in self.open_hours:
                self.open_hours[hour] += counts
            else:
                self.open_hours[hour] = counts.astype(np.int64)

    def _close_until(self, sim_ts: int, closed: dict[int, Counts]) -> None:
        if self.watermark is None:
            self.watermark = sim_ts
            return
        for hour in range(floor_hour(self.watermark), floor_hour(sim_ts), HOUR_MS):
            counts = self.open_hours.pop(hour, None)
            closed[hour] = np.zeros(ZONE_COUNT, np.int64) if counts is None else counts
        self.watermark = max(self.watermark, sim_ts)


@dataclass(frozen=True, slots=True)
class CityHour:
    """The rides of all zones in one closed hour, or the opening of a replay.

    `hour_ts` is the start of the hour, epoch milliseconds, `rides` is `int64[zones]`. For the
    opening `rides` is None and `hour_ts` is the first hour of the replay.
    """

    hour_ts: int
    rides: Counts | None


@dataclass
class HourJoiner:
    """Sums the hours of all partitions, and closes an hour for the city when all have closed it."""

    partitions: int
    watermarks: dict[int, int] = field(default_factory=dict)
    sums: dict[int, Counts] = field(default_factory=dict)
    next_hour: int | None = None

    def update(self, progress: PartitionProgress) -> list[CityHour]:
        """Add one partition's progress; return the hours that the city closes with it, in order."""
        self.watermarks[progress.partition] = progress.watermark
        for hour, counts in progress.closed.items():
            self.sums[hour] = self.sums[hour] + counts if hour in self.sums else counts
        if len(self.watermarks) < self.partitions:
            return []
        out: list[CityHour] = []
        watermark = min(self.watermarks.values())
        if self.next_hour is None:
            self.next_hour = min(self.sums, default=floor_hour(watermark))
            out.append(CityHour(self.next_hour, None))
        while self.next_hour + HOUR_MS <= watermark:
            out.append(CityHour(self.next_hour, self.sums.pop(self.next_hour)))
            self.next_hour += HOUR_MS
        return out

    def snapshot(self) -> "HourJoiner":
        """Return a copy of the state, independent of later updates."""
        return copy.deepcopy(self)
