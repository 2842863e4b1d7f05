"""Rides per zone and hour in event time, with ticks as watermarks.

Each partition is counted separately and closes an hour when a tick reaches the hour's end. The
city closes an hour when all partitions have. Independent of Kafka, Bytewax and the wall clock.
"""

import copy
from dataclasses import dataclass, field

import numpy as np

from dataflows.trip_batch import TripBatch
from rushhour.core.arrays import Counts
from rushhour.core.checksums import add, tick_checksum, total, trip_hashes
from rushhour.core.errors import EventError, StackError
from rushhour.core.events import Tick
from rushhour.core.hours import HOUR_MS, clock_label, floor_hour
from rushhour.core.topics import TRIPS
from rushhour.core.zones import FIRST_ZONE, ZONE_COUNT


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

    The stream of a partition is one sequence: trips by `seq`, and ticks between them. A producer
    that restarts, or two at once, send parts of it again, so what arrives below the position
    reached is a duplicate, dropped and counted in `duplicates`. What arrives above it means that
    something is missing. A tick closes hours only if the trips before it are those that the
    producer had, by number and checksum.

    `watermark` is the last tick, the start of the run before the first one, and `verified` its
    offset. `trips` is the number of trips counted, `total` the sum of their hashes. The fields are
    the whole state; `snapshot` copies it.
    """

    partition: int
    watermark: int
    opened: bool = False
    trips: int = 0
    total: int = 0
    verified: int = -1
    duplicates: int = 0
    open_hours: dict[int, Counts] = field(default_factory=dict)

    def update(self, batch: TripBatch) -> PartitionProgress | None:
        """Count a batch; return what it closed, or None if no tick moved the watermark.

        Raises
        ------
        EventError
            If trips are missing, or differ from those that the producer has sent.
        """
        closed: dict[int, Counts] = {}
        moved = False
        start = 0
        for index, (end, tick) in enumerate(batch.ticks):
            self._count(batch, start, end)
            if tick.sim_ts > self.watermark or not self.opened:
                self._verify(batch, index, tick)
                self._close_until(tick.sim_ts, closed)
                moved = self.opened = True
            start = end
        self._count(batch, start, len(batch.seq))
        return PartitionProgress(self.partition, self.watermark, closed) if moved else None

    def snapshot(self) -> "PartitionCounter":
        """Return a copy of the state, independent of later updates."""
        return copy.deepcopy(self)

    def _count(self, batch: TripBatch, start: int, end: int) -> None:
        if start == end:
            return
        seq, ts, zone = batch.seq[start:end], batch.pickup_ts[start:end], batch.zone[start:end]
        reached = np.maximum.accumulate(np.concatenate(([self.trips - 1], seq[:-1])))
        new = seq > reached
        if not new.all():
            self.duplicates += int((~new).sum())
            seq, ts, zone = seq[new], ts[new], zone[new]
            if not len(seq):
                return
        positions = start + np.flatnonzero(new)
        self._check_order(batch, positions, seq, ts)
        self.trips += len(seq)
        self.total = add(self.total, total(trip_hashes(seq, ts, zone)))
        hours = ts - ts % HOUR_MS
        for hour in np.unique(hours).tolist():
            counts = np.bincount(zone[hours == hour] - FIRST_ZONE, minlength=ZONE_COUNT)
            if hour in self.open_hours:
                self.open_hours[hour] += counts
            else:
                self.open_hours[hour] = counts.astype(np.int64)

    def _check_order(self, batch: TripBatch, positions: Counts, seq: Counts, ts: Counts) -> None:
        """Check that new trips follow without a gap, and none is before the watermark."""
        expected = np.arange(self.trips, self.trips + len(seq))
        gaps, late = np.flatnonzero(seq != expected), np.flatnonzero(ts < self.watermark)
        if len(gaps):
            i = gaps[0]
            raise _stream_error(
                batch,
                batch.offset_of_trip(int(positions[i])),
                f"trip {seq[i]} came where trip {expected[i]} was due",
            )
        if len(late):
            i = late[0]
            raise _stream_error(
                batch,
                batch.offset_of_trip(int(positions[i])),
                f"a trip picked up at {clock_label(int(ts[i]))} came after the tick for "
                f"{clock_label(self.watermark)}",
            )

    def _verify(self, batch: TripBatch, index: int, tick: Tick) -> None:
        """Check that the trips counted are those that the producer has sent before a tick."""
        if tick.trips != self.trips:
            what = f"{tick.trips} trips were sent before it, {self.trips} have come, "
        elif tick.checksum != tick_checksum(self.total, tick.sim_ts):
            what = "its checksum is not that of the trips that have come before it, "
        else:
            self.verified = batch.offset_of_tick(index)
            return
        raise _stream_error(
            batch,
            batch.offset_of_tick(index),
            f"tick for {clock_label(tick.sim_ts)}: {what}and only those up to offset "
            f"{self.verified} were right",
        )

    def _close_until(self, sim_ts: int, closed: dict[int, Counts]) -> None:
        for hour in range(floor_hour(self.watermark), floor_hour(sim_ts), HOUR_MS):
            counts = self.open_hours.pop(hour, None)
            closed[hour] = np.zeros(ZONE_COUNT, np.int64) if counts is None else counts
        self.watermark = max(self.watermark, sim_ts)


def _stream_error(batch: TripBatch, offset: int, what: str) -> EventError:
    return EventError(
        f"topic '{TRIPS}' partition {batch.partition} offset {offset}: {what}: records were lost, "
        "or are not the producer's: start a new run, or pass over a record with `rushhour skip`"
    )


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
    """Sums the hours of all partitions, and closes an hour for the city when all have closed it.

    `next_hour` is the first hour that is not closed (epoch ms), the run's first one in the
    beginning.
    """

    partitions: int
    next_hour: int
    opened: bool = False
    watermarks: dict[int, int] = field(default_factory=dict)
    sums: dict[int, Counts] = field(default_factory=dict)

    def update(self, progress: PartitionProgress) -> list[CityHour]:
        """Add one partition's progress; return the hours that the city closes with it, in order.

        Raises
        ------
        StackError
            If the partition closes other hours than the next ones.
        """
        expected = floor_hour(self.watermarks.get(progress.partition, self.next_hour))
        found = min(progress.closed, default=floor_hour(progress.watermark))
        if found != expected:
            raise mixed_states(f"partition {progress.partition} of {TRIPS}", found, expected)
        self.watermarks[progress.partition] = progress.watermark
        for hour, counts in progress.closed.items():
            self.sums[hour] = self.sums[hour] + counts if hour in self.sums else counts
        if len(self.watermarks) < self.partitions:
            return []
        out: list[CityHour] = []
        watermark = min(self.watermarks.values())
        if not self.opened:
            self.opened = True
            out.append(CityHour(self.next_hour, None))
        while self.next_hour + HOUR_MS <= watermark:
            out.append(CityHour(self.next_hour, self.sums.pop(self.next_hour)))
            self.next_hour += HOUR_MS
        return out

    def snapshot(self) -> "HourJoiner":
        """Return a copy of the state, independent of later updates."""
        return copy.deepcopy(self)


def mixed_states(what: str, found: int, expected: int | None) -> StackError:
    """Return the error that the states of two steps are from different times (both epoch ms)."""
    instead = "nothing" if expected is None else clock_label(expected)
    return StackError(
        f"{what} continues at {clock_label(found)} instead of {instead}: the recovery stores are "
        "from different times: delete those of all dataflow processes, and restart the processes"
    )
