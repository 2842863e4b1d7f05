import pickle
import random
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dataflows.counting import (
    CityHour,
    HourJoiner,
    LateTripError,
    PartitionCounter,
    PartitionProgress,
    TripBatch,
)
from rushhour.core.events import Tick, Trip, TripEvent
from rushhour.core.hours import HOUR_MS
from rushhour.core.topics import partition_of
from rushhour.core.zones import ZONE_COUNT, ZONE_IDS

START = 1_727_740_800_000  # 2024-10-01 00:00
Difference = tuple[int, int, int, int]  # hour, zone, counted, expected


@dataclass(frozen=True)
class Month:
    """A very short month: its trips, in pickup order, and the stream of each partition."""

    hours: int
    trips: list[Trip]
    streams: list[list[TripEvent]]


def month_of(hours: int, partitions: int, pickups: Iterable[tuple[int, int]]) -> Month:
    """Number trips in pickup order and build the streams as the replay does: a tick per hour."""
    ordered = sorted(pickups)
    trips = [Trip(seq, START + offset, zone) for seq, (offset, zone) in enumerate(ordered)]
    streams: list[list[TripEvent]] = []
    for partition in range(partitions):
        own = [
            trip for trip in trips if partition_of(trip.pickup_location_id, partitions) == partition
        ]
        stream: list[TripEvent] = [Tick(START)]
        for hour in range(START, START + hours * HOUR_MS, HOUR_MS):
            stream += [trip for trip in own if hour <= trip.pickup_ts < hour + HOUR_MS]
            stream.append(Tick(hour + HOUR_MS, final=hour + HOUR_MS == START + hours * HOUR_MS))
        streams.append(stream)
    return Month(hours, trips, streams)


@st.composite
def months(draw: st.DrawFn) -> Month:
    hours = draw(st.integers(1, 4))
    whole_hours = st.integers(0, hours - 1).map(lambda hour: hour * HOUR_MS)
    offsets = st.one_of(
        st.integers(0, hours * HOUR_MS - 1),
        whole_hours,  # the first instant of an hour
        whole_hours.map(lambda offset: offset + HOUR_MS - 1),  # the last one
    )
    zones = st.sampled_from([1, 2, 132, 264, 265]) | st.integers(1, 265)
    pickups = draw(st.lists(st.tuples(offsets, zones), max_size=40))
    return month_of(hours, draw(st.integers(1, 4)), pickups)


def in_batches(
    streams: Sequence[Sequence[TripEvent]], chance: random.Random, longest: int = 12
) -> list[TripBatch]:
    """Cut the partitions' streams anywhere and interleave them, each in its own order."""
    rest = {partition: list(stream) for partition, stream in enumerate(streams) if stream}
    out: list[TripBatch] = []
    while rest:
        partition = chance.choice(sorted(rest))
        length = chance.randint(1, longest)
        out.append(TripBatch.of(partition, rest[partition][:length]))
        rest[partition] = rest[partition][length:]
        if not rest[partition]:
            del rest[partition]
    return out


class City:
    """All counters and the joiner, wired as the dataflow wires them."""

    def __init__(self, partitions: int) -> None:
        self.counters = {partition: PartitionCounter(partition) for partition in range(partitions)}
        self.joiner = HourJoiner(partitions)

    def feed(self, batches: Iterable[TripBatch]) -> list[CityHour]:
        out: list[CityHour] = []
        for batch in batches:
            progress = self.counters[batch.partition].update(batch)
            if progress is not None:
                out += self.joiner.update(progress)
        return out

    def restored(self) -> "City":
        """Return the city as restored from its snapshots."""
        other = City(0)
        other.counters = {
            partition: pickle.loads(pickle.dumps(counter.snapshot()))
            for partition, counter in self.counters.items()
        }
        other.joiner = pickle.loads(pickle.dumps(self.joiner.snapshot()))
        return other

    @property
    def duplicates(self) -> int:
        return sum(counter.duplicates for counter in self.counters.values())


def count(month: Month, batches: Iterable[TripBatch]) -> list[CityHour]:
    return City(len(month.streams)).feed(batches)


def differences(outputs: Sequence[CityHour], trips: Iterable[Trip], hours: int) -> list[Difference]:
    """Compare the city's hours, all zones, with a plain count of the trips."""
    expected = Counter(
        (trip.pickup_ts - trip.pickup_ts % HOUR_MS, trip.pickup_location_id) for trip in trips
    )
    counted = {hour.hour_ts: hour.rides for hour in outputs if hour.rides is not None}
    due = [START + i * HOUR_MS for i in range(hours)]
    return [
        (hour, zone, found, expected[hour, zone])
        for hour in sorted({*due, *counted})
        for zone in ZONE_IDS
        for rides in [counted.get(hour)]
        for found in [-1 if rides is None else int(rides[zone - 1])]
        if found != expected[hour, zone]
    ]


def same(a: Sequence[CityHour], b: Sequence[CityHour]) -> bool:
    def plain(hours: Sequence[CityHour]) -> list[tuple[int, list[int] | None]]:
        return [
            (hour.hour_ts, None if hour.rides is None else hour.rides.tolist()) for hour in hours
        ]

    return plain(a) == plain(b)


seeds = st.builds(random.Random, st.integers(0, 2**32 - 1))


@given(months(), seeds)
def test_every_hour_and_zone_is_counted_whatever_the_batches(
    month: Month, chance: random.Random
) -> None:
    outputs = count(month, in_batches(month.streams, chance))
    assert differences(outputs, month.trips, month.hours) == []
    opening, *hours = outputs
    assert (opening.hour_ts, opening.rides) == (START, None)
    assert [hour.hour_ts for hour in hours] == [START + i * HOUR_MS for i in range(month.hours)]
    for hour in hours:
        assert hour.rides is not None
        assert (hour.rides.dtype.name, hour.rides.shape) == ("int64", (ZONE_COUNT,))


@given(months(), seeds)
def test_an_hour_closes_only_when_every_partition_has_ticked_past_it(
    month: Month, chance: random.Random
) -> None:
    city = City(len(month.streams))
    ticked = dict.fromkeys(city.counters, -1)
    closed = START
    for batch in in_batches(month.streams, chance, longest=3):
        for _, tick in batch.ticks:
            ticked[batch.partition] = tick.sim_ts
        for hour in city.feed([batch]):
            if hour.rides is not None:
                assert min(ticked.values()) >= hour.hour_ts + HOUR_MS
                closed = hour.hour_ts + HOUR_MS
        # and it closes as soon as all of them have
        if min(ticked.values()) >= START:
            assert closed == min(ticked.values())


@given(months(), seeds)
def test_duplicate_trips_are_dropped_and_counted(month: Month, chance: random.Random) -> None:
    # A producer stopped, on each partition at another position, and restarted at an hour that
    # every partition had reached.
    prefixes = [stream[: chance.randint(0, len(stream))] for stream in month.streams]
    ticked = [[e.sim_ts for e in prefix if isinstance(e, Tick)] for prefix in prefixes]
    reached = min(max(ticks, default=START) for ticks in ticked)
    again = Tick(chance.randrange(START, reached + 1, HOUR_MS))
    final = Tick(again.sim_ts, final=True)
    streams = [
        [*prefix, *stream[stream.index(again if again in stream else final) :]]
        for prefix, stream in zip(prefixes, month.streams, strict=True)
    ]
    city = City(len(streams))
    outputs = city.feed(in_batches(streams, chance))
    assert differences(outputs, month.trips, month.hours) == []
    assert len(outputs) == month.hours + 1
    sent = sum(isinstance(event, Trip) for stream in streams for event in stream)
    assert city.duplicates == sent - len(month.trips)


def test_duplicate_trips_without_a_tick_between_are_dropped_too() -> None:
    trips = [Trip(i, START + i, 1 + i) for i in range(3)]
    counter = PartitionCounter(0)
    counter.update(TripBatch.of(0, [Tick(START), *trips[:2], *trips[:2], trips[2], trips[0]]))
    progress = counter.update(TripBatch.of(0, [trips[2], Tick(START + HOUR_MS)]))
    assert progress is not None
    assert progress.closed[START].tolist() == [1, 1, 1] + [0] * (ZONE_COUNT - 3)
    assert counter.duplicates == 4


def test_two_trips_of_one_zone_and_instant_are_no_duplicates() -> None:
    month = month_of(1, 2, [(5, 132)] * 3)
    city = City(2)
    outputs = city.feed(in_batches(month.streams, random.Random(0)))
    assert differences(outputs, month.trips, 1) == []
    assert city.duplicates == 0


@given(months(), seeds)
def test_a_restart_from_snapshots_at_any_point_changes_nothing(
    month: Month, chance: random.Random
) -> None:
    batches = in_batches(month.streams, chance, longest=4)
    whole = count(month, batches)
    cut = chance.randint(0, len(batches))
    city = City(len(month.streams))
    before = city.feed(batches[:cut])
    restored = city.restored()
    city.feed(batches[cut:])  # the old city continues, and must not change the new one
    assert same([*before, *restored.feed(batches[cut:])], whole)


def test_a_snapshot_does_not_change_with_later_updates() -> None:
    month = month_of(2, 1, [(0, 1), (10, 2), (HOUR_MS, 1), (HOUR_MS + 5, 2)])
    events = month.streams[0]
    city = City(1)
    city.feed([TripBatch.of(0, events[:3])])
    counter, joiner = city.counters[0].snapshot(), city.joiner.snapshot()
    before = pickle.dumps((counter, joiner))
    city.feed([TripBatch.of(0, events[3:])])
    assert pickle.dumps((counter, joiner)) == before


def test_the_boundary_of_an_hour_belongs_to_the_new_hour() -> None:
    month = month_of(2, 1, [(HOUR_MS - 1, 7), (HOUR_MS, 7), (HOUR_MS, 265)])
    _, first, second = count(month, in_batches(month.streams, random.Random(0)))
    assert first.rides is not None
    assert second.rides is not None
    assert (first.rides[6], first.rides.sum()) == (1, 1)
    assert (second.rides[6], second.rides[264], second.rides.sum()) == (1, 1, 2)


PLANTED = {
    "an hour late": lambda trip: Trip(trip.seq, trip.pickup_ts + HOUR_MS, trip.pickup_location_id),
    "a second late": lambda trip: Trip(trip.seq, trip.pickup_ts + 1000, trip.pickup_location_id),
    "the next zone": lambda trip: Trip(trip.seq, trip.pickup_ts, trip.pickup_location_id + 1),
}


@pytest.mark.parametrize("fault", PLANTED)
def test_the_comparison_detects_a_planted_off_by_one(fault: str) -> None:
    month = month_of(3, 1, [(HOUR_MS - 1, 7), (HOUR_MS + 1, 9), (HOUR_MS + 2, 9)])
    broken = [PLANTED[fault](e) if isinstance(e, Trip) else e for e in month.streams[0]]
    good = count(month, [TripBatch.of(0, month.streams[0])])
    bad = count(month, [TripBatch.of(0, broken)])
    assert differences(good, month.trips, month.hours) == []
    assert (START, 7, 0, 1) in differences(bad, month.trips, month.hours)


def test_the_comparison_detects_hours_named_by_their_end() -> None:
    month = month_of(2, 1, [(5, 1), (HOUR_MS, 2)])
    outputs = count(month, [TripBatch.of(0, month.streams[0])])
    late = [replace(hour, hour_ts=hour.hour_ts + HOUR_MS) for hour in outputs]
    assert (START, 1, -1, 1) in differences(late, month.trips, 2)
    assert (START + HOUR_MS, 2, 0, 1) in differences(late, month.trips, 2)
    assert (START + 2 * HOUR_MS, 2, 1, 0) in differences(late, month.trips, 2)


def test_the_comparison_detects_a_missing_hour() -> None:
    month = month_of(2, 1, [])
    outputs = count(month, [TripBatch.of(0, month.streams[0])])
    assert len(differences(outputs[:-1], month.trips, 2)) == ZONE_COUNT


@pytest.mark.parametrize("together", [True, False], ids=["one batch", "two batches"])
def test_a_trip_after_its_closing_tick_is_an_error(together: bool) -> None:
    events: list[TripEvent] = [Tick(START), Tick(START + HOUR_MS)]
    late: list[TripEvent] = [Trip(0, START + HOUR_MS - 1, 1)]
    counter = PartitionCounter(3)
    if not together:
        counter.update(TripBatch.of(3, events))
    with pytest.raises(LateTripError) as caught:
        counter.update(TripBatch.of(3, [*events, *late] if together else late))
    assert str(caught.value) == (
        "a trip picked up at 2024-10-01 00:59 arrived after the tick for 2024-10-01 01:00"
    )


def test_a_trip_at_the_tick_is_in_time() -> None:
    counter = PartitionCounter(0)
    counter.update(TripBatch.of(0, [Tick(START), Tick(START + HOUR_MS)]))
    counter.update(TripBatch.of(0, [Trip(0, START + HOUR_MS, 1)]))
    progress = counter.update(TripBatch.of(0, [Tick(START + 2 * HOUR_MS)]))
    assert progress is not None
    assert progress.closed[START + HOUR_MS].sum() == 1


def test_a_trip_before_the_first_tick_is_an_error() -> None:
    with pytest.raises(LateTripError, match=r"arrived before the first tick$"):
        PartitionCounter(0).update(TripBatch.of(0, [Trip(0, START, 1), Tick(START)]))


def test_without_a_tick_that_moves_time_there_is_no_progress() -> None:
    counter = PartitionCounter(0)
    assert counter.update(TripBatch.of(0, [])) is None
    first = counter.update(TripBatch.of(0, [Tick(START)]))
    assert (first is not None) and (first.watermark, first.closed) == (START, {})
    assert counter.update(TripBatch.of(0, [Trip(0, START, 1)])) is None
    assert counter.update(TripBatch.of(0, [Tick(START)])) is None


def test_a_tick_within_an_hour_closes_nothing_and_loses_nothing() -> None:
    half = HOUR_MS // 2
    city = City(1)
    events: list[TripEvent] = [
        Tick(START), Trip(0, START, 1), Tick(START + half), Trip(1, START + half, 1),
    ]  # fmt: skip
    assert [hour.rides for hour in city.feed([TripBatch.of(0, events)])] == [None]
    (hour,) = city.feed([TripBatch.of(0, [Tick(START + HOUR_MS + half)])])
    assert hour.rides is not None
    assert (hour.hour_ts, hour.rides[0]) == (START, 2)


@pytest.mark.parametrize("offset", [0, 1, HOUR_MS - 1])
def test_a_tick_closes_the_hours_before_it_and_no_other(offset: int) -> None:
    counter = PartitionCounter(0)
    counter.update(TripBatch.of(0, [Tick(START)]))
    trips = [Trip(i, START + i * HOUR_MS, 1) for i in range(3)]
    progress = counter.update(TripBatch.of(0, [*trips, Tick(START + 2 * HOUR_MS + offset)]))
    assert progress is not None
    assert list(progress.closed) == [START, START + HOUR_MS]
    assert [int(rides.sum()) for rides in progress.closed.values()] == [1, 1]


def test_a_tick_that_skips_hours_closes_them_all() -> None:
    events: list[TripEvent] = [Tick(START), Trip(0, START + HOUR_MS, 5), Tick(START + 3 * HOUR_MS)]
    _, *hours = City(1).feed([TripBatch.of(0, events)])
    assert [0 if h.rides is None else int(h.rides.sum()) for h in hours] == [0, 1, 0]


def test_the_joiner_does_not_write_into_a_partitions_counts() -> None:
    counts = np.ones(ZONE_COUNT, np.int64)
    joiner = HourJoiner(2)
    joiner.update(PartitionProgress(0, START + HOUR_MS, {START: counts}))
    joiner.update(PartitionProgress(1, START + HOUR_MS, {START: counts}))
    assert counts.sum() == ZONE_COUNT


def test_a_batch_keeps_the_positions_of_its_ticks() -> None:
    trips = [Trip(i, START + i, 1 + i) for i in range(3)]
    batch = TripBatch.of(2, [Tick(START), trips[0], trips[1], Tick(START + 2), trips[2]])
    assert batch.partition == 2
    assert batch.ticks == ((0, Tick(START)), (2, Tick(START + 2)))
    assert batch.seq.tolist() == [0, 1, 2]
    assert batch.pickup_ts.tolist() == [START, START + 1, START + 2]
    assert batch.zone.tolist() == [1, 2, 3]
