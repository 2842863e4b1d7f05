import pickle
import random
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dataflows.counting import (
    CityHour,
    HourJoiner,
    PartitionCounter,
    PartitionProgress,
)
from dataflows.trip_batch import TripBatch
from rushhour.core.errors import EventError, StackError
from rushhour.core.events import Tick, Trip, TripEvent
from rushhour.core.hours import HOUR_MS, clock_label
from rushhour.core.topics import partition_of
from rushhour.core.zones import ZONE_COUNT, ZONE_IDS
from tests.fixtures.trip_stream import numbered, stream_of, tick_after

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
    trips: list[Trip] = []
    streams: list[list[TripEvent]] = []
    for partition in range(partitions):
        own = numbered(
            (START + offset, zone)
            for offset, zone in ordered
            if partition_of(zone, partitions) == partition
        )
        trips += own
        streams.append(stream_of(own, START, hours))
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
        self.counters = {
            partition: PartitionCounter(partition, START) for partition in range(partitions)
        }
        self.joiner = HourJoiner(partitions, START)

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


def from_tick(stream: Sequence[TripEvent], sim_ts: int) -> list[TripEvent]:
    """What a producer sends that starts with a tick."""
    ticks = [event.sim_ts if isinstance(event, Tick) else -1 for event in stream]
    return list(stream[ticks.index(sim_ts) :])


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
    again = chance.randrange(START, reached + 1, HOUR_MS)
    streams = [
        [*prefix, *from_tick(stream, again)]
        for prefix, stream in zip(prefixes, month.streams, strict=True)
    ]
    city = City(len(streams))
    outputs = city.feed(in_batches(streams, chance))
    assert differences(outputs, month.trips, month.hours) == []
    assert len(outputs) == month.hours + 1
    sent = sum(isinstance(event, Trip) for stream in streams for event in stream)
    assert city.duplicates == sent - len(month.trips)


def of_several_producers(stream: Sequence[TripEvent], chance: random.Random) -> list[TripEvent]:
    """One producer, and others that start at an hour that was reached, are held up, and go on.

    Each sends the stream in order from where it started. One of them sends it to the end.
    """
    positions, out, furthest = [0], list[TripEvent](), 0
    starts = [i for i, event in enumerate(stream) if isinstance(event, Tick)]
    while furthest < len(stream):
        if len(positions) < 4 and chance.random() < 0.1:
            positions.append(chance.choice([i for i in starts if i <= furthest]))
        which = chance.randrange(len(positions))
        end = min(len(stream), positions[which] + chance.randint(1, 8))
        out += stream[positions[which] : end]
        positions[which] = end
        furthest = max(furthest, end)
    return out


@given(months(), seeds)
def test_several_producers_at_once_change_nothing(month: Month, chance: random.Random) -> None:
    streams = [of_several_producers(stream, chance) for stream in month.streams]
    city = City(len(streams))
    outputs = city.feed(in_batches(streams, chance))
    assert differences(outputs, month.trips, month.hours) == []
    sent = sum(isinstance(event, Trip) for stream in streams for event in stream)
    assert city.duplicates == sent - len(month.trips)


def lose_a_trip(stream: list[TripEvent], chance: random.Random) -> None:
    del stream[a_trip(stream, chance)]


def lose_a_part(stream: list[TripEvent], chance: random.Random) -> None:
    at = a_trip(stream, chance)
    del stream[at : at + chance.randint(1, 6)]


def alter_a_trip(stream: list[TripEvent], chance: random.Random) -> None:
    at = a_trip(stream, chance)
    trip = stream[at]
    assert isinstance(trip, Trip)
    stream[at] = chance.choice(
        [
            Trip(trip.seq + chance.choice([-1, 1, 10**6]), trip.pickup_ts, trip.pickup_location_id),
            Trip(trip.seq, trip.pickup_ts + chance.choice([-1, 1, HOUR_MS]), 7),
            Trip(trip.seq, trip.pickup_ts, trip.pickup_location_id % 265 + 1),
        ]
    )


def swap_two_zones(stream: list[TripEvent], chance: random.Random) -> None:
    trips = [(i, event) for i, event in enumerate(stream) if isinstance(event, Trip)]
    (i, one), (j, other) = chance.choice(trips), chance.choice(trips)
    stream[i] = Trip(one.seq, one.pickup_ts, other.pickup_location_id)
    stream[j] = Trip(other.seq, other.pickup_ts, one.pickup_location_id)


def insert_a_trip(stream: list[TripEvent], chance: random.Random) -> None:
    trip = stream[a_trip(stream, chance)]
    assert isinstance(trip, Trip)
    seq = chance.choice([trip.seq, trip.seq + 1, 2**40])
    at = chance.randint(1, len(stream) - 1)
    stream.insert(at, Trip(seq, trip.pickup_ts, chance.randint(1, 265)))


def alter_a_tick(stream: list[TripEvent], chance: random.Random) -> None:
    at = chance.choice([i for i, event in enumerate(stream) if isinstance(event, Tick)])
    tick = stream[at]
    assert isinstance(tick, Tick)
    hours = chance.choice([-1, 1, 2]) * HOUR_MS
    stream[at] = chance.choice(
        [
            replace_tick(tick, trips=tick.trips + 1),
            replace_tick(tick, checksum="0" * 16),
            replace_tick(tick, sim_ts=tick.sim_ts + hours),
        ]
    )


def lose_a_tick(stream: list[TripEvent], chance: random.Random) -> None:
    del stream[chance.choice([i for i, event in enumerate(stream) if isinstance(event, Tick)])]


def replace_tick(tick: Tick, **changes: Any) -> Tick:
    return msgspec.structs.replace(tick, **changes)


def a_trip(stream: list[TripEvent], chance: random.Random) -> int:
    return chance.choice([i for i, event in enumerate(stream) if isinstance(event, Trip)])


FAULTS = (
    lose_a_trip, lose_a_part, alter_a_trip, swap_two_zones, insert_a_trip, alter_a_tick,
    lose_a_tick,
)  # fmt: skip


@pytest.mark.parametrize("fault", FAULTS)
@given(months().filter(lambda month: bool(month.trips)), seeds)
def test_what_is_lost_altered_or_inserted_never_gives_a_wrong_hour(
    fault: Any, month: Month, chance: random.Random
) -> None:
    streams = [list(stream) for stream in month.streams]
    partition = chance.choice(
        [i for i, s in enumerate(streams) if any(isinstance(event, Trip) for event in s)]
    )
    fault(streams[partition], chance)
    city, outputs, error = City(len(streams)), list[CityHour](), None
    for batch in in_batches(streams, chance, longest=4):
        try:
            outputs += city.feed([batch])
        except EventError as found:
            error = found
            break
    closed = len(outputs[1:])
    inside = [trip for trip in month.trips if trip.pickup_ts < START + closed * HOUR_MS]
    assert differences(outputs, inside, closed) == []
    if fault in (lose_a_trip, lose_a_part):
        assert error is not None or closed < month.hours  # the last tick was lost too


def test_duplicate_trips_without_a_tick_between_are_dropped_too() -> None:
    trips = numbered((START + i, 1 + i) for i in range(3))
    counter = PartitionCounter(0, START)
    counter.update(
        TripBatch.of(0, [tick_after([], START), *trips[:2], *trips[:2], trips[2], trips[0]])
    )
    progress = counter.update(TripBatch.of(0, [trips[2], tick_after(trips, START + HOUR_MS)]))
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
    "an hour late": lambda ts, zone: (ts + HOUR_MS, zone),
    "a second late": lambda ts, zone: (ts + 1000, zone),
    "the next zone": lambda ts, zone: (ts, zone + 1),
}


@pytest.mark.parametrize("fault", PLANTED)
def test_the_comparison_detects_a_planted_off_by_one(fault: str) -> None:
    pickups = [(HOUR_MS - 1, 7), (HOUR_MS + 1, 9), (HOUR_MS + 2, 9)]
    month, broken = month_of(4, 1, pickups), month_of(4, 1, [PLANTED[fault](*p) for p in pickups])
    good = count(month, [TripBatch.of(0, month.streams[0])])
    bad = count(month, [TripBatch.of(0, broken.streams[0])])
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
    events: list[TripEvent] = [tick_after([], START), tick_after([], START + HOUR_MS)]
    late: list[TripEvent] = [Trip(0, START + HOUR_MS - 1, 1)]
    counter = PartitionCounter(3, START)
    if not together:
        counter.update(TripBatch.of(3, events))
    with pytest.raises(EventError) as caught:
        counter.update(TripBatch.of(3, [*events, *late] if together else late, range(40, 43)))
    assert str(caught.value) == (
        f"topic 'trips' partition 3 offset {42 if together else 40}: a trip picked up at "
        "2024-10-01 00:59 came after the tick for 2024-10-01 01:00: records were lost, or are not "
        "the producer's: start a new run, or pass over a record with `rushhour skip`"
    )
    assert caught.value.exit_code == 4


def test_a_wrong_checksum_names_the_offsets_between_which_the_fault_is() -> None:
    trips = [Trip(i, START + i, 1) for i in range(3)]
    forged = Trip(1, START + 1, 2)
    last = tick_after(trips, START + HOUR_MS)
    events: list[TripEvent] = [tick_after([], START), trips[0], forged, trips[2], last]
    with pytest.raises(EventError) as caught:
        PartitionCounter(3, START).update(TripBatch.of(3, events, range(40, 45)))
    assert str(caught.value).startswith(
        "topic 'trips' partition 3 offset 44: tick for 2024-10-01 01:00: its checksum is not that "
        "of the trips that have come before it, and only those up to offset 40 were right: records"
    )


def test_a_trip_at_the_tick_is_in_time() -> None:
    counter = PartitionCounter(0, START)
    trips = [Trip(0, START + HOUR_MS, 1)]
    counter.update(TripBatch.of(0, [tick_after([], START), tick_after([], START + HOUR_MS)]))
    counter.update(TripBatch.of(0, trips))
    progress = counter.update(TripBatch.of(0, [tick_after(trips, START + 2 * HOUR_MS)]))
    assert progress is not None
    assert progress.closed[START + HOUR_MS].sum() == 1


def test_a_run_that_lost_its_first_tick_is_counted_from_its_first_hour() -> None:
    month = month_of(3, 1, [(HOUR_MS, 7), (2 * HOUR_MS, 8)])
    for lost in (1, 2):
        outputs = count(month, [TripBatch.of(0, month.streams[0][lost:])])
        assert differences(outputs, month.trips, 3) == []


def test_without_a_tick_that_moves_time_there_is_no_progress() -> None:
    counter = PartitionCounter(0, START)
    assert counter.update(TripBatch.of(0, [])) is None
    first = counter.update(TripBatch.of(0, [tick_after([], START)]))
    assert (first is not None) and (first.watermark, first.closed) == (START, {})
    assert counter.update(TripBatch.of(0, [Trip(0, START, 1)])) is None
    assert counter.update(TripBatch.of(0, [tick_after([], START)])) is None


def test_a_tick_within_an_hour_closes_nothing_and_loses_nothing() -> None:
    half = HOUR_MS // 2
    city = City(1)
    trips = numbered([(START, 1), (START + half, 1)])
    events: list[TripEvent] = [
        tick_after([], START), trips[0], tick_after(trips[:1], START + half), trips[1],
    ]  # fmt: skip
    assert [hour.rides for hour in city.feed([TripBatch.of(0, events)])] == [None]
    (hour,) = city.feed([TripBatch.of(0, [tick_after(trips, START + HOUR_MS + half)])])
    assert hour.rides is not None
    assert (hour.hour_ts, hour.rides[0]) == (START, 2)


@pytest.mark.parametrize("offset", [0, 1, HOUR_MS - 1])
def test_a_tick_closes_the_hours_before_it_and_no_other(offset: int) -> None:
    counter = PartitionCounter(0, START)
    counter.update(TripBatch.of(0, [tick_after([], START)]))
    trips = [Trip(i, START + i * HOUR_MS, 1) for i in range(3)]
    progress = counter.update(
        TripBatch.of(0, [*trips, tick_after(trips, START + 2 * HOUR_MS + offset)])
    )
    assert progress is not None
    assert list(progress.closed) == [START, START + HOUR_MS]
    assert [int(rides.sum()) for rides in progress.closed.values()] == [1, 1]


def test_a_tick_that_skips_hours_closes_them_all() -> None:
    trips = [Trip(0, START + HOUR_MS, 5)]
    events: list[TripEvent] = [
        tick_after([], START), *trips, tick_after(trips, START + 3 * HOUR_MS),
    ]  # fmt: skip
    _, *hours = City(1).feed([TripBatch.of(0, events)])
    assert [0 if h.rides is None else int(h.rides.sum()) for h in hours] == [0, 1, 0]


def test_the_joiner_does_not_write_into_a_partitions_counts() -> None:
    counts = np.ones(ZONE_COUNT, np.int64)
    joiner = HourJoiner(2, START)
    joiner.update(PartitionProgress(0, START + HOUR_MS, {START: counts}))
    joiner.update(PartitionProgress(1, START + HOUR_MS, {START: counts}))
    assert counts.sum() == ZONE_COUNT


@pytest.mark.parametrize("first", [START - HOUR_MS, START + HOUR_MS])
def test_a_counter_from_another_time_than_the_joiner_is_an_error(first: int) -> None:
    """As after a recovery store was replaced by an older one."""
    joiner = HourJoiner(2, START)
    progress = PartitionProgress(1, first + HOUR_MS, {first: np.ones(ZONE_COUNT, np.int64)})
    with pytest.raises(StackError) as caught:
        joiner.update(progress)
    assert str(caught.value) == (
        f"partition 1 of trips continues at {clock_label(first)} instead of 2024-10-01 00:00: the "
        "recovery stores are from different times: delete those of all dataflow processes, and "
        "restart the processes"
    )


def test_a_batch_keeps_the_positions_of_its_ticks() -> None:
    trips = [Trip(i, START + i, 1 + i) for i in range(3)]
    ticks = [tick_after([], START), tick_after(trips[:2], START + 2)]
    events: list[TripEvent] = [ticks[0], trips[0], trips[1], ticks[1], trips[2]]
    batch = TripBatch.of(2, events, [10, 11, 14, 15, 20])
    assert batch.partition == 2
    assert batch.ticks == ((0, ticks[0]), (2, ticks[1]))
    assert batch.seq.tolist() == [0, 1, 2]
    assert batch.pickup_ts.tolist() == [START, START + 1, START + 2]
    assert batch.zone.tolist() == [1, 2, 3]
    assert [batch.offset_of_trip(i) for i in range(3)] == [11, 14, 20]
    assert [batch.offset_of_tick(i) for i in range(2)] == [10, 15]
