import random
from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from itertools import islice

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from consumers.assignment import AssignedPartitions, join, partitions_of
from consumers.pending import ClosedHour, Forecast, PendingHours, TopicPartition
from rushhour.core.events import HourlyRides, Prediction
from rushhour.core.hours import HOUR_MS, to_datetime
from rushhour.core.topics import HOURLY_RIDES, PREDICTIONS, partition_of
from rushhour.core.zones import ZONE_COUNT, ZONE_IDS
from rushhour.storage.columns import ZoneMask, zones_of

START = 1_727_740_800_000
HOURS = 4
FIRST_OFFSET = 100
SERVED = "served"

HourUpdate = Forecast | ClosedHour
Event = HourlyRides | Prediction
Topics = dict[
    TopicPartition, list[Event]
]  # an event's offset is FIRST_OFFSET + its place in the list
Delivery = tuple[TopicPartition, int, Event]


def rides_at(hour_ts: int) -> npt.NDArray[np.int64]:
    return (np.arange(ZONE_COUNT) * 7 + hour_ts // HOUR_MS) % 11


def forecast_at(hour_ts: int) -> Forecast:
    """The served model, a challenger with gaps, and one that is silent in the first hour."""
    gaps = np.where(np.arange(ZONE_COUNT) % 2, np.nan, 5.0)
    late = np.full(ZONE_COUNT, np.nan if hour_ts == START else 9.0)
    served = rides_at(hour_ts).astype(np.float64) + 0.25
    return Forecast(
        hour_ts,
        {SERVED: served, "gaps": gaps, "late": late},
        lower=np.floor(served),
        upper=np.floor(served) + 3.0,
    )


def or_none(value: float) -> float | None:
    return None if np.isnan(value) else value


def prediction_at(hour_ts: int, column: int) -> Prediction:
    """The event that says the same of one zone."""
    forecast = forecast_at(hour_ts)
    by_model = {name: float(values[column]) for name, values in forecast.by_model.items()}
    return Prediction(
        ZONE_IDS[column],
        to_datetime(hour_ts),
        hour_ts,
        by_model.pop(SERVED),
        float(forecast.lower[column]),
        float(forecast.upper[column]),
        SERVED,
        {name: or_none(value) for name, value in by_model.items()},
    )


def columns_of(forecast: Forecast) -> dict[str, npt.NDArray[np.float64]]:
    """All that a forecast says, by name."""
    ends = {"lower": forecast.lower, "upper": forecast.upper, "drift": forecast.drift}
    return forecast.by_model | ends


@cache
def topics_of(rides_partitions: int, prediction_partitions: int) -> Topics:
    """All that a dataflow writes: each hour's rides, and one more hour of predictions."""
    out: Topics = {(HOURLY_RIDES, i): [] for i in range(rides_partitions)}
    out |= {(PREDICTIONS, i): [] for i in range(prediction_partitions)}
    for hour_ts in range(START, START + (HOURS + 1) * HOUR_MS, HOUR_MS):
        rides = rides_at(hour_ts).tolist()
        for i, zone in enumerate(ZONE_IDS):
            prediction = prediction_at(hour_ts, i)
            out[PREDICTIONS, partition_of(zone, prediction_partitions)].append(prediction)
            if hour_ts < START + HOURS * HOUR_MS:
                event = HourlyRides.of(zone, hour_ts, rides[i])
                out[HOURLY_RIDES, partition_of(zone, rides_partitions)].append(event)
    return out


def start_of(topics: Topics) -> dict[TopicPartition, int]:
    return dict.fromkeys(topics, FIRST_OFFSET)


def batches(
    topics: Topics, offsets: dict[TopicPartition, int], chance: random.Random
) -> Iterator[list[Delivery]]:
    """Deliver each partition in order from its offset, cut and interleaved in any way."""
    rest = {
        place: [
            (place, offset, event)
            for offset, event in enumerate(events, FIRST_OFFSET)
            if offset >= offsets[place]
        ]
        for place, events in topics.items()
    }
    while rest := {place: queue for place, queue in rest.items() if queue}:
        place = chance.choice(sorted(rest))
        length = chance.choice([700, 265, 30, 1])
        yield rest[place][:length]
        rest[place] = rest[place][length:]


def feed(
    pending: PendingHours | AssignedPartitions, deliveries: list[Delivery]
) -> list[HourUpdate]:
    for (_, partition), offset, event in deliveries:
        if isinstance(event, HourlyRides):
            pending.add_rides(partition, offset, event)
        else:
            pending.add_prediction(partition, offset, event)
    return pending.take()


def restarted(pending: PendingHours, handed: list[HourUpdate]) -> PendingHours:
    """Return what `restore` makes of Redis, which holds all that was handed on."""
    next_hour = START + sum(isinstance(unit, ClosedHour) for unit in handed) * HOUR_MS
    forecasts = {unit.hour_ts: unit for unit in handed if isinstance(unit, Forecast)}
    return PendingHours(next_hour, pending.offsets(), forecasts.get(next_hour))


def check_units(units: list[HourUpdate]) -> None:
    """All units once, in order, each forecast before its hour, with the right values."""
    forecasts = [unit for unit in units if isinstance(unit, Forecast)]
    hours = [unit for unit in units if isinstance(unit, ClosedHour)]
    due = [START + i * HOUR_MS for i in range(HOURS + 1)]
    assert [unit.hour_ts for unit in forecasts] == due
    assert [unit.hour_ts for unit in hours] == due[:-1]
    seen: set[int] = set()
    for unit in units:
        if isinstance(unit, Forecast):
            seen.add(unit.hour_ts)
            check_forecast(unit)
        else:
            # The next hour's forecast is there too: it must never be missing from Redis.
            assert {unit.hour_ts, unit.hour_ts + HOUR_MS} <= seen
            assert np.array_equal(unit.rides, rides_at(unit.hour_ts))
            assert unit.rides.dtype == np.int64
            assert unit.forecast.hour_ts == unit.hour_ts
            check_forecast(unit.forecast)


def check_forecast(forecast: Forecast) -> None:
    expected = forecast_at(forecast.hour_ts)
    assert list(forecast.by_model) == list(expected.by_model)
    assert forecast.served_model == SERVED
    assert np.array_equal(forecast.served, expected.served)
    found = columns_of(forecast)
    for name, column in columns_of(expected).items():
        assert np.array_equal(found[name], column, equal_nan=True), name


partitions = st.tuples(st.integers(1, 3), st.integers(1, 3))  # of each topic
seeds = st.builds(random.Random, st.integers(0, 2**32 - 1))


@given(partitions, seeds)
@settings(max_examples=30)
def test_hours_are_handed_on_in_order_once_each_whatever_the_batches(
    sizes: tuple[int, int], chance: random.Random
) -> None:
    topics = topics_of(*sizes)
    pending = PendingHours(START, start_of(topics))
    units: list[HourUpdate] = []
    for batch in batches(topics, start_of(topics), chance):
        units += feed(pending, batch)
    check_units(units)
    assert pending.repeats == 0
    assert pending.next_hour == START + HOURS * HOUR_MS
    assert pending.take() == []
    ends = {place: FIRST_OFFSET + len(events) for place, events in topics.items()}
    assert pending.offsets() == ends


@given(partitions, seeds)
@settings(max_examples=20)
def test_offsets_never_pass_an_event_that_was_not_handed_on(
    sizes: tuple[int, int], chance: random.Random
) -> None:
    topics = topics_of(*sizes)
    pending = PendingHours(START, start_of(topics))
    handed: set[tuple[str, int]] = set()
    for batch in batches(topics, start_of(topics), chance):
        for unit in feed(pending, batch):
            handed.add((PREDICTIONS if isinstance(unit, Forecast) else HOURLY_RIDES, unit.hour_ts))
        for (topic, partition), offset in pending.offsets().items():
            passed = topics[topic, partition][: offset - FIRST_OFFSET]
            assert {(topic, event.pickup_ts) for event in passed} <= handed


def run_with_restarts(topics: Topics, chance: random.Random) -> list[HourUpdate]:
    """Die and come back up to three times, after any batch."""
    pending = PendingHours(START, start_of(topics))
    units: list[HourUpdate] = []
    for lives in (3, 2, 1, 0):
        for batch in batches(topics, pending.offsets(), chance):
            units += feed(pending, batch)
            if lives and chance.random() < 0.3:
                pending = restarted(pending, units)
                break
        else:
            return units
    raise AssertionError("the last life has no end")


@given(partitions, seeds)
@settings(max_examples=30)
def test_with_restarts_each_unit_is_handed_on_exactly_once(
    sizes: tuple[int, int], chance: random.Random
) -> None:
    topics = topics_of(*sizes)
    check_units(run_with_restarts(topics, chance))


def test_a_restart_while_forecasts_run_ahead_of_the_hours_loses_nothing() -> None:
    topics = topics_of(1, 1)
    pending = PendingHours(START, start_of(topics))
    predictions = list(enumerate(topics[PREDICTIONS, 0], FIRST_OFFSET))[: 2 * ZONE_COUNT]
    # Two forecasts have come before any ride, and may be in Redis; then the consumer dies.
    units = feed(pending, [((PREDICTIONS, 0), offset, event) for offset, event in predictions])
    assert units
    pending = restarted(pending, units)
    for batch in batches(topics, pending.offsets(), random.Random(0)):
        units += feed(pending, batch)
    check_units(units)


@given(partitions, seeds)
@settings(max_examples=15)
def test_no_forecast_is_handed_on_beyond_the_hour_after_the_last_closed(
    sizes: tuple[int, int], chance: random.Random
) -> None:
    """A restart reads back one forecast from Redis, that of the first open hour."""
    topics = topics_of(*sizes)
    pending = PendingHours(START, start_of(topics))
    # All predictions come first: they run ahead of the rides as far as they can.
    events = sorted(
        (
            (place, offset, event)
            for place, own in topics.items()
            for offset, event in enumerate(own, FIRST_OFFSET)
        ),
        key=lambda item: item[0][0] == HOURLY_RIDES,
    )
    while events:
        length = chance.randint(1, 2 * ZONE_COUNT)
        units = feed(pending, events[:length])
        events = events[length:]
        assert all(unit.hour_ts <= pending.next_hour for unit in units)


@given(partitions, seeds)
@settings(max_examples=15)
def test_what_a_restarted_dataflow_writes_again_changes_nothing(
    sizes: tuple[int, int], chance: random.Random
) -> None:
    topics = topics_of(*sizes)
    # The first dataflow died somewhere; the second began at the first hour.
    twice: Topics = {
        place: events[: chance.randint(0, len(events))] + events for place, events in topics.items()
    }
    pending = PendingHours(START, start_of(twice))
    units: list[HourUpdate] = []
    for batch in batches(twice, start_of(twice), chance):
        units += feed(pending, batch)
    check_units(units)
    ends = {place: FIRST_OFFSET + len(events) for place, events in twice.items()}
    assert pending.offsets() == ends


def test_repeats_of_hours_that_were_handed_on_are_counted() -> None:
    topics = topics_of(2, 2)
    pending = PendingHours(START, start_of(topics))
    everything = [
        (place, offset, event)
        for place, events in topics.items()
        for offset, event in enumerate(events, FIRST_OFFSET)
    ]
    feed(pending, everything)
    again = [(place, offset + 10_000, event) for place, offset, event in everything]
    assert feed(pending, again) == []
    assert pending.repeats == len(again) == (2 * HOURS + 1) * ZONE_COUNT
    ends = {place: FIRST_OFFSET + 10_000 + len(events) for place, events in topics.items()}
    assert pending.offsets() == ends


def test_an_hour_waits_for_its_last_zone_and_for_the_next_forecast() -> None:
    rides = topics_of(1, 1)[HOURLY_RIDES, 0][:ZONE_COUNT]
    predictions = topics_of(1, 1)[PREDICTIONS, 0]
    pending = PendingHours(START, {(HOURLY_RIDES, 0): 0, (PREDICTIONS, 0): 0})

    def predict(first: int, end: int) -> list[HourUpdate]:
        return feed(pending, [((PREDICTIONS, 0), i, predictions[i]) for i in range(first, end)])

    assert predict(0, ZONE_COUNT - 1) == []
    (forecast,) = predict(ZONE_COUNT - 1, ZONE_COUNT)
    assert isinstance(forecast, Forecast)
    assert feed(pending, [((HOURLY_RIDES, 0), i, e) for i, e in enumerate(rides[:-1])]) == []
    assert feed(pending, [((HOURLY_RIDES, 0), ZONE_COUNT - 1, rides[-1])]) == []
    assert pending.offsets() == {(HOURLY_RIDES, 0): 0, (PREDICTIONS, 0): ZONE_COUNT}
    following, hour = predict(ZONE_COUNT, 2 * ZONE_COUNT)
    assert (following.hour_ts, hour.hour_ts) == (START + HOUR_MS, START)
    assert isinstance(hour, ClosedHour)
    assert hour.forecast is forecast
    assert pending.offsets() == {(HOURLY_RIDES, 0): ZONE_COUNT, (PREDICTIONS, 0): 2 * ZONE_COUNT}


def test_a_restart_with_the_next_forecast_in_redis_does_not_ask_for_it_again() -> None:
    forecast = forecast_at(START)
    topics = topics_of(1, 1)
    pending = PendingHours(START, {(HOURLY_RIDES, 0): 0, (PREDICTIONS, 0): ZONE_COUNT}, forecast)
    feed(pending, [((HOURLY_RIDES, 0), i, e) for i, e in enumerate(topics[HOURLY_RIDES, 0])])
    later = list(enumerate(topics[PREDICTIONS, 0]))[ZONE_COUNT : 2 * ZONE_COUNT]
    following, hour = feed(pending, [((PREDICTIONS, 0), i, e) for i, e in later])
    assert isinstance(following, Forecast)
    assert isinstance(hour, ClosedHour)
    assert hour.forecast is forecast


# Hours of some zones only: those of one partition.


def events_of(topics: Topics, partition: int) -> Topics:
    return {place: events for place, events in topics.items() if place[1] == partition}


def test_an_hour_waits_for_its_own_zones_only() -> None:
    topics = events_of(topics_of(3, 3), 1)
    mine = zones_of(1, 3)
    pending = PendingHours(START, start_of(topics), zones=mine)
    rides, predictions = (
        [((topic, 1), offset, event) for offset, event in enumerate(events, FIRST_OFFSET)]
        for (topic, _), events in topics.items()
    )
    zones = int(mine.sum())
    (forecast,) = feed(pending, predictions[:zones])
    assert forecast.zones.tolist() == mine.tolist()
    assert feed(pending, rides[: zones - 1]) == []
    assert feed(pending, rides[zones - 1 : zones]) == []
    following, hour = feed(pending, predictions[zones : 2 * zones])
    assert isinstance(hour, ClosedHour)
    assert (hour.hour_ts, following.hour_ts) == (START, START + HOUR_MS)
    assert hour.zones.tolist() == following.zones.tolist() == mine.tolist()
    assert np.array_equal(hour.rides[mine], rides_at(START)[mine])
    assert np.array_equal(hour.forecast.served[mine], forecast_at(START).served[mine])
    assert pending.next_hour == START + HOUR_MS


@given(st.integers(1, 256))
@settings(max_examples=30)
def test_the_zones_of_all_partitions_are_all_zones_once(partitions: int) -> None:
    every = [zones_of(partition, partitions) for partition in range(partitions)]
    assert np.sum(every, axis=0).tolist() == [1] * ZONE_COUNT
    for zone in ZONE_IDS:
        assert every[partition_of(zone, partitions)][zone - 1]


@given(st.integers(1, 16), st.integers(1, 64))
@example(3, 256)
@settings(max_examples=15)
def test_every_partition_with_zones_belongs_to_exactly_one_consumer(
    consumers: int, partitions: int
) -> None:
    shares = [partitions_of(process, consumers, partitions) for process in range(consumers)]
    owned = [partition for share in shares for partition in share]
    busy = {partition_of(zone, partitions) for zone in ZONE_IDS}
    assert sorted(owned) == sorted(busy)
    for share in shares:
        for partition, zones in share.items():
            assert zones.tolist() == zones_of(partition, partitions).tolist()
    sizes = [len(share) for share in shares]
    assert max(sizes) - min(sizes) <= 1  # and nobody has much more to do than another


def test_partitions_without_zones_are_nobodys() -> None:
    empty = {p for p in range(256) if not zones_of(p, 256).any()}
    assert empty
    assert empty.isdisjoint(partitions_of(0, 1, 256))
    assert partitions_of(3, 4, 3) == {}


# Units of several partitions put together again.


def unit_of(hour: int, zones: ZoneMask, kind: type[HourUpdate]) -> HourUpdate:
    """What one partition hands on: NaN, or 0 rides, where a zone is not its own."""
    hour_ts = START + hour * HOUR_MS
    whole = {
        name: np.where(zones, column, np.nan)
        for name, column in columns_of(forecast_at(hour_ts)).items()
    }
    ends = {name: whole.pop(name) for name in ("lower", "upper", "drift")}
    forecast = Forecast(hour_ts, whole, **ends, zones=zones)
    if kind is Forecast:
        return forecast
    return ClosedHour(hour_ts, np.where(zones, rides_at(hour_ts), 0), forecast)


def check_values(unit: HourUpdate) -> None:
    """What the unit says of its zones is right."""
    zones = unit.zones
    forecast = unit if isinstance(unit, Forecast) else unit.forecast
    expected, found = columns_of(forecast_at(unit.hour_ts)), columns_of(forecast)
    assert list(found) == list(expected)
    for name, column in expected.items():
        assert np.array_equal(found[name][zones], column[zones], equal_nan=True), name
    if isinstance(unit, ClosedHour):
        assert np.array_equal(unit.rides[zones], rides_at(unit.hour_ts)[zones])
        assert unit.rides.dtype == np.int64


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 4), st.booleans()), unique=True))
def test_units_of_the_same_hour_and_kind_become_one_about_all_their_zones(
    handed: list[tuple[int, int, bool]],
) -> None:
    """Partitions (of 5) hand on forecasts and hours, in any order."""
    kinds: dict[bool, type[HourUpdate]] = {True: ClosedHour, False: Forecast}
    units = join(unit_of(hour, zones_of(p, 5), kinds[closed]) for hour, p, closed in handed)

    order = [(isinstance(unit, ClosedHour), unit.hour_ts) for unit in units]
    assert order == sorted({(closed, START + hour * HOUR_MS) for hour, _, closed in handed})
    for unit in units:
        hour, closed = (unit.hour_ts - START) // HOUR_MS, isinstance(unit, ClosedHour)
        parts = [zones_of(p, 5) for h, p, c in handed if (h, c) == (hour, closed)]
        assert unit.zones.tolist() == np.any(parts, axis=0).tolist()
        check_values(unit)


# Consumers that share the partitions.


def share_of(
    topics: Topics, mine: dict[int, ZoneMask]
) -> tuple[AssignedPartitions, dict[TopicPartition, int]]:
    offsets = {place: FIRST_OFFSET for place in topics if place[1] in mine}
    pending = {
        partition: PendingHours(START, start_of(events_of(topics, partition)), zones=zones)
        for partition, zones in mine.items()
    }
    return AssignedPartitions(pending), offsets


def restarted_share(
    share: AssignedPartitions, mine: dict[int, ZoneMask], handed: list[HourUpdate]
) -> AssignedPartitions:
    """Return what `restore` makes of Redis, which holds all that was handed on."""

    def forecast_for(hour_ts: int, zones: ZoneMask) -> Forecast | None:
        for unit in handed:
            if isinstance(unit, Forecast) and unit.hour_ts == hour_ts and unit.zones[zones].all():
                return replace(unit, zones=zones)
        return None

    offsets, hours = share.offsets(), share.next_hours()
    return AssignedPartitions(
        {
            partition: PendingHours(
                hours[partition],
                {place: offset for place, offset in offsets.items() if place[1] == partition},
                forecast_for(hours[partition], zones),
                zones,
            )
            for partition, zones in mine.items()
        }
    )


def in_groups(parts: Iterator[list[Delivery]], chance: random.Random) -> Iterator[list[Delivery]]:
    """Deliver batches of several partitions at once: some hours become complete together."""
    while few := list(islice(parts, chance.randint(1, 6))):
        yield [delivery for batch in few for delivery in batch]


def consume(
    topics: Topics, mine: dict[int, ZoneMask], chance: random.Random
) -> list[list[HourUpdate]]:
    """All that one consumer hands on, take by take; it dies up to twice, after any batch."""
    share, start = share_of(topics, mine)
    taken: list[list[HourUpdate]] = []
    for lives in (2, 1, 0):
        rest = {place: events for place, events in topics.items() if place in start}
        for few in in_groups(batches(rest, share.offsets(), chance), chance):
            taken.append(feed(share, few))
            if lives and chance.random() < 0.2:
                share = restarted_share(share, mine, [unit for units in taken for unit in units])
                break
        else:
            break
    assert share.next_hours() == dict.fromkeys(mine, START + HOURS * HOUR_MS)
    ends = {place: FIRST_OFFSET + len(rest[place]) for place in start}
    assert share.offsets() == share.positions() == ends
    return taken


@given(st.integers(1, 8), st.integers(1, 5), seeds)
@settings(max_examples=20)
def test_consumers_hand_on_every_unit_of_every_zone_once_whoever_has_which_partition(
    partitions: int, consumers: int, chance: random.Random
) -> None:
    topics = topics_of(partitions, partitions)
    every = partitions_of(0, 1, partitions)
    owner = {partition: chance.randrange(consumers) for partition in every}
    times: dict[tuple[type[HourUpdate], int], npt.NDArray[np.int64]] = {}
    for process in range(consumers):
        mine = {p: zones for p, zones in every.items() if owner[p] == process}
        due = np.full(ZONE_COUNT, START)  # the hour that each zone has to hand on next
        for units in consume(topics, mine, chance):
            hours = [unit for unit in units if isinstance(unit, ClosedHour)]
            assert [*units[: len(units) - len(hours)], *hours] == units  # forecasts first
            for unit in units:
                check_values(unit)
                count = times.setdefault((type(unit), unit.hour_ts), np.zeros(ZONE_COUNT, np.int64))
                count += unit.zones
            for hour in hours:
                assert (due[hour.zones] == hour.hour_ts).all()
                due[hour.zones] += HOUR_MS
    hours_due = [(ClosedHour, START + i * HOUR_MS) for i in range(HOURS)]
    assert times.keys() == {
        *hours_due,
        *((Forecast, START + i * HOUR_MS) for i in range(HOURS + 1)),
    }
    for count in times.values():
        assert count.tolist() == [1] * ZONE_COUNT


def test_repeats_of_all_partitions_are_counted_together() -> None:
    topics = topics_of(3, 3)
    mine = {p: zones_of(p, 3) for p in (0, 2)}
    share, start = share_of(topics, mine)
    everything = [
        (place, offset, event)
        for place in start
        for offset, event in enumerate(topics[place], FIRST_OFFSET)
    ]
    feed(share, everything)
    assert share.repeats == 0
    feed(share, [(place, offset + 10_000, event) for place, offset, event in everything])
    assert share.repeats == len(everything) == (2 * HOURS + 1) * (mine[0] | mine[2]).sum()


def test_an_event_of_a_partition_that_is_not_ones_own_is_a_defect() -> None:
    topics = topics_of(3, 3)
    share, _ = share_of(topics, {0: zones_of(0, 3)})
    with pytest.raises(KeyError):
        feed(share, [((HOURLY_RIDES, 1), FIRST_OFFSET, topics[HOURLY_RIDES, 1][0])])
