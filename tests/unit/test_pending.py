import random
from collections.abc import Iterator
from functools import cache

import numpy as np
import numpy.typing as npt
from hypothesis import given, settings
from hypothesis import strategies as st

from consumers.pending import ClosedHour, Forecast, PendingHours, Place
from core.events import HourlyRides, Prediction
from core.hours import HOUR_MS, to_datetime
from core.topics import HOURLY_RIDES, PREDICTIONS, partition_of
from core.zones import ZONE_COUNT, ZONE_IDS

START = 1_727_740_800_000
HOURS = 4
FIRST_OFFSET = 100
SERVED = "served"

Unit = Forecast | ClosedHour
Event = HourlyRides | Prediction
Topics = dict[Place, list[Event]]  # an event's offset is FIRST_OFFSET + its place in the list
Delivery = tuple[Place, int, Event]


def rides_at(hour_ts: int) -> npt.NDArray[np.int64]:
    return (np.arange(ZONE_COUNT) * 7 + hour_ts // HOUR_MS) % 11


def forecast_at(hour_ts: int) -> dict[str, npt.NDArray[np.float64]]:
    """The served model, a baseline with gaps, and one that is silent in the first hour."""
    gaps = np.where(np.arange(ZONE_COUNT) % 2, np.nan, 5.0)
    late = np.full(ZONE_COUNT, np.nan if hour_ts == START else 9.0)
    return {SERVED: (rides_at(hour_ts) + 0.25), "gaps": gaps, "late": late}


@cache
def topics_of(rides_partitions: int, prediction_partitions: int) -> Topics:
    """All that a dataflow writes: each hour's rides, and one more hour of predictions."""
    out: Topics = {(HOURLY_RIDES, i): [] for i in range(rides_partitions)}
    out |= {(PREDICTIONS, i): [] for i in range(prediction_partitions)}
    for hour_ts in range(START, START + (HOURS + 1) * HOUR_MS, HOUR_MS):
        rides = rides_at(hour_ts).tolist()
        columns = {name: column.tolist() for name, column in forecast_at(hour_ts).items()}
        for i, zone in enumerate(ZONE_IDS):
            others = {name: column[i] for name, column in columns.items() if name != SERVED}
            baselines = {name: None if x != x else x for name, x in others.items()}  # noqa: PLR0124
            prediction = Prediction(
                zone, to_datetime(hour_ts), hour_ts, columns[SERVED][i], SERVED, baselines
            )
            out[PREDICTIONS, partition_of(zone, prediction_partitions)].append(prediction)
            if hour_ts < START + HOURS * HOUR_MS:
                event = HourlyRides.of(zone, hour_ts, rides[i])
                out[HOURLY_RIDES, partition_of(zone, rides_partitions)].append(event)
    return out


def start_of(topics: Topics) -> dict[Place, int]:
    return dict.fromkeys(topics, FIRST_OFFSET)


def batches(
    topics: Topics, offsets: dict[Place, int], chance: random.Random
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


def feed(pending: PendingHours, deliveries: list[Delivery]) -> list[Unit]:
    for (_, partition), offset, event in deliveries:
        if isinstance(event, HourlyRides):
            pending.add_rides(partition, offset, event)
        else:
            pending.add_prediction(partition, offset, event)
    return pending.take()


def restarted(pending: PendingHours, handed: list[Unit]) -> PendingHours:
    """Return what `restore` makes of Redis, which holds all that was handed on."""
    next_hour = START + sum(isinstance(unit, ClosedHour) for unit in handed) * HOUR_MS
    forecasts = {unit.hour_ts: unit for unit in handed if isinstance(unit, Forecast)}
    return PendingHours(next_hour, pending.offsets(), forecasts.get(next_hour))


def check_units(units: list[Unit]) -> None:
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
    assert list(forecast.by_model) == list(expected)
    assert forecast.served_model == SERVED
    assert np.array_equal(forecast.served, expected[SERVED])
    for name, column in expected.items():
        assert np.array_equal(forecast.by_model[name], column, equal_nan=True)


partitions = st.tuples(st.integers(1, 3), st.integers(1, 3))  # of each topic
seeds = st.builds(random.Random, st.integers(0, 2**32 - 1))


@given(partitions, seeds)
@settings(max_examples=30)
def test_hours_are_handed_on_in_order_once_each_whatever_the_batches(
    sizes: tuple[int, int], chance: random.Random
) -> None:
    topics = topics_of(*sizes)
    pending = PendingHours(START, start_of(topics))
    units: list[Unit] = []
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


def run_with_restarts(topics: Topics, chance: random.Random) -> list[Unit]:
    """Die and come back up to three times, after any batch."""
    pending = PendingHours(START, start_of(topics))
    units: list[Unit] = []
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
    units: list[Unit] = []
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

    def predict(first: int, end: int) -> list[Unit]:
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
    forecast = Forecast(START, forecast_at(START))
    topics = topics_of(1, 1)
    pending = PendingHours(START, {(HOURLY_RIDES, 0): 0, (PREDICTIONS, 0): ZONE_COUNT}, forecast)
    feed(pending, [((HOURLY_RIDES, 0), i, e) for i, e in enumerate(topics[HOURLY_RIDES, 0])])
    later = list(enumerate(topics[PREDICTIONS, 0]))[ZONE_COUNT : 2 * ZONE_COUNT]
    following, hour = feed(pending, [((PREDICTIONS, 0), i, e) for i, e in later])
    assert isinstance(following, Forecast)
    assert isinstance(hour, ClosedHour)
    assert hour.forecast is forecast
