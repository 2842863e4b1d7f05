"""One partition: which hours are complete, and from where a restart reads."""

import random
from collections.abc import Iterator
from itertools import groupby
from operator import itemgetter
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from consumers.pending import HourUpdate, PendingHours
from rushhour.core.arrays import Floats
from rushhour.core.errors import EventError
from rushhour.core.events import (
    AheadPrediction,
    Alert,
    AlertEvent,
    HourEnd,
    HourlyRides,
    Prediction,
)
from rushhour.core.forecast import Forecast
from rushhour.core.hour_checksums import checksums, hour_hashes
from rushhour.core.hours import HOUR_MS, to_datetime
from rushhour.core.topics import ALERTS, HOURLY_RIDES, PREDICTIONS
from rushhour.core.zones import ZONE_COUNT, ZONE_IDS
from rushhour.storage.hour_tables import HourTables

Event = HourlyRides | Prediction | AlertEvent
Topics = dict[str, list[Event]]  # an event's offset is FIRST_OFFSET + its index
Delivery = tuple[str, int, Event]

START = 1_727_740_800_000
HOURS = 4
PARTITION = 3
FIRST_OFFSET = 100
COLUMNS = [0, 6, 7, 131, 264]
ZONES = np.isin(np.arange(ZONE_COUNT), COLUMNS)
SERVED = "served"


def rides_at(hour_ts: int) -> Floats:
    return ((np.arange(ZONE_COUNT) * 7 + hour_ts // HOUR_MS) % 11).astype(np.float64)


def forecast_at(hour_ts: int) -> Forecast:
    """The served model, a model without some zones, and one that is unknown in the first hour."""
    gaps = np.where(np.arange(ZONE_COUNT) % 2, np.nan, 5.0)
    late = np.full(ZONE_COUNT, np.nan if hour_ts == START else 9.0)
    served = rides_at(hour_ts) + 0.25
    by_model = {SERVED: served, "gaps": gaps, "late": late}
    ahead = {
        horizon: Forecast(
            hour_ts + (horizon - 1) * HOUR_MS,
            {SERVED: served + horizon},
            served + horizon + 0.5,
            served,
            served + 2.0 * horizon,
        )
        for horizon in (2, 30)
    }
    ends = np.floor(served), np.floor(served) + 3.0
    return Forecast(hour_ts, by_model, served * 1.25, *ends, ahead)


def alerts_at(hour_ts: int) -> Floats:
    """In every second hour two zones have an alert."""
    alerted = np.isin(np.arange(ZONE_COUNT), [7, 264]) & bool(hour_ts // HOUR_MS % 2)
    return np.where(alerted, np.arange(ZONE_COUNT) / 100 - 1.0, np.nan)


def or_none(value: float) -> float | None:
    return None if np.isnan(value) else value


def prediction_at(hour_ts: int, column: int) -> Prediction:
    forecast = forecast_at(hour_ts)
    by_model = {name: float(values[column]) for name, values in forecast.by_model.items()}
    return Prediction(
        ZONE_IDS[column],
        to_datetime(hour_ts),
        hour_ts,
        float(forecast.mean[column]),
        by_model.pop(SERVED),
        float(forecast.lower[column]),
        float(forecast.upper[column]),
        SERVED,
        {name: or_none(value) for name, value in by_model.items()},
        tuple(
            AheadPrediction(
                horizon,
                float(each.mean[column]),
                float(each.median[column]),
                float(each.lower[column]),
                float(each.upper[column]),
            )
            for horizon, each in forecast.ahead.items()
        ),
    )


def end_of_hour(end_ts: int) -> HourEnd:
    """The end of an hour, or of the opening, with the checksums of what belongs to it."""
    opens = end_ts == START
    rides = None if opens else rides_at(end_ts - HOUR_MS)
    changes = np.full(ZONE_COUNT, np.nan) if opens else alerts_at(end_ts - HOUR_MS)
    hashes = hour_hashes(rides, forecast_at(end_ts), changes)
    return HourEnd(PARTITION, end_ts, *checksums(hashes, ZONES))


def alert_events(hour_ts: int) -> list[AlertEvent]:
    """The alerts of an hour, and its end after them."""
    changes = alerts_at(hour_ts)
    alerts = [
        Alert.of(ZONE_IDS[i], hour_ts, float(changes[i]))
        for i in np.flatnonzero(~np.isnan(changes))
    ]
    return [*alerts, end_of_hour(hour_ts + HOUR_MS)]


def written(first: int = 0, end: int = HOURS) -> Topics:
    """What a dataflow writes that starts with the forecast for the hour `first`."""
    out: Topics = {HOURLY_RIDES: [], PREDICTIONS: [], ALERTS: []}
    for hour_ts in range(START + first * HOUR_MS, START + (end + 1) * HOUR_MS, HOUR_MS):
        out[PREDICTIONS] += [prediction_at(hour_ts, column) for column in COLUMNS]
        if hour_ts == START:
            out[ALERTS].append(end_of_hour(START))
        if hour_ts < START + end * HOUR_MS:
            rides = rides_at(hour_ts)
            out[HOURLY_RIDES] += [
                HourlyRides.of(ZONE_IDS[column], hour_ts, int(rides[column])) for column in COLUMNS
            ]
            out[ALERTS] += alert_events(hour_ts)
    return out


def start_of(topics: Topics) -> dict[str, int]:
    return dict.fromkeys(topics, FIRST_OFFSET)


def end_of(topics: Topics) -> dict[str, int]:
    return {topic: FIRST_OFFSET + len(events) for topic, events in topics.items()}


def deliveries(topics: Topics, offsets: dict[str, int]) -> dict[str, list[Delivery]]:
    return {
        topic: [
            (topic, offset, event)
            for offset, event in enumerate(events, FIRST_OFFSET)
            if offset >= offsets[topic]
        ]
        for topic, events in topics.items()
    }


def batches(
    topics: Topics, offsets: dict[str, int], chance: random.Random
) -> Iterator[list[Delivery]]:
    """Deliver each topic in order from its offset, cut and interleaved in any way."""
    rest = deliveries(topics, offsets)
    while rest := {topic: queue for topic, queue in rest.items() if queue}:
        topic = chance.choice(sorted(rest))
        length = chance.choice([13, 5, 2, 1])
        yield rest[topic][:length]
        rest[topic] = rest[topic][length:]


def feed(pending: PendingHours, batch: list[Delivery]) -> list[HourUpdate]:
    add = {
        HOURLY_RIDES: pending.add_rides,
        PREDICTIONS: pending.add_predictions,
        ALERTS: pending.add_alerts,
    }
    for topic, of_topic in groupby(batch, itemgetter(0)):
        _, offsets, events = zip(*of_topic, strict=True)
        add[topic](offsets, events)  # type: ignore[operator]
    return pending.pop_complete()


def new_pending(topics: Topics) -> PendingHours:
    return PendingHours(PARTITION, ZONES, START, start_of(topics))


def restarted(pending: PendingHours, updates: list[HourUpdate]) -> PendingHours:
    """Return what `resume` makes of Redis, which holds everything that was returned."""
    next_hour = START + sum(update.closed is not None for update in updates) * HOUR_MS
    forecast = updates[-1].forecast if updates else None
    return PendingHours(PARTITION, ZONES, next_hour, pending.offsets(), forecast)


def check_updates(updates: list[HourUpdate]) -> None:
    """Every hour once, in order, with the values of its events."""
    due = [START + i * HOUR_MS for i in range(HOURS + 1)]
    assert [update.forecast_ts for update in updates] == due
    assert [update.closed.hour_ts for update in updates if update.closed is not None] == due[:-1]
    assert updates[0].closed is None
    for update in updates:
        assert np.array_equal(update.zones, ZONES)
        check_forecast(update.forecast)
        if update.closed is not None:
            check_closed(update.closed)


def check_forecast(forecast: Forecast) -> None:
    expected = forecast_at(forecast.hour_ts)
    assert list(forecast.by_model) == list(expected.by_model)
    for name, values in expected.by_model.items():
        assert_same(forecast.by_model[name], values)
    assert_same(forecast.mean, expected.mean)
    assert_same(forecast.lower, expected.lower)
    assert_same(forecast.upper, expected.upper)


def check_closed(hour: HourTables) -> None:
    assert_same(hour.rides, rides_at(hour.hour_ts))
    assert_same(hour.alerts, alerts_at(hour.hour_ts))
    check_forecast(hour.forecast)


def assert_same(found: Floats, expected: Floats) -> None:
    assert np.array_equal(found[ZONES], expected[ZONES], equal_nan=True)


seeds = st.builds(random.Random, st.integers(0, 2**32 - 1))


@given(seeds)
def test_hours_are_returned_in_order_once_each_whatever_the_batches(chance: random.Random) -> None:
    topics = written()
    pending = new_pending(topics)
    updates: list[HourUpdate] = []
    for batch in batches(topics, start_of(topics), chance):
        updates += feed(pending, batch)
        assert all(update.forecast_ts <= pending.next_hour for update in updates)
    check_updates(updates)
    assert pending.duplicates == 0
    assert pending.next_hour == START + HOURS * HOUR_MS
    assert pending.pop_complete() == []
    assert pending.offsets() == pending.positions == end_of(topics)


@given(seeds)
def test_offsets_never_pass_an_event_whose_hour_was_not_returned(chance: random.Random) -> None:
    topics = written()
    pending = new_pending(topics)
    returned: set[tuple[str, int]] = set()
    for batch in batches(topics, start_of(topics), chance):
        for update in feed(pending, batch):
            returned |= {(PREDICTIONS, update.forecast_ts), (ALERTS, update.forecast_ts - HOUR_MS)}
            if update.closed is not None:
                hour_ts = update.closed.hour_ts
                returned.add((HOURLY_RIDES, hour_ts))
        for topic, offset in pending.offsets().items():
            for event in topics[topic][: offset - FIRST_OFFSET]:
                hour_ts = event.end_ts - HOUR_MS if isinstance(event, HourEnd) else event.pickup_ts
                assert (topic, hour_ts) in returned


@given(seeds)
def test_with_restarts_every_hour_is_returned_exactly_once(chance: random.Random) -> None:
    topics = written()
    pending = new_pending(topics)
    updates: list[HourUpdate] = []
    for lives in (3, 2, 1, 0):
        for batch in batches(topics, pending.offsets(), chance):
            updates += feed(pending, batch)
            if lives and chance.random() < 0.2:
                pending = restarted(pending, updates)
                break
        else:
            break
    check_updates(updates)


@given(seeds, st.integers(0, HOURS))
def test_what_a_restarted_dataflow_writes_again_changes_nothing(
    chance: random.Random, resumed_at: int
) -> None:
    first, second = written(), written(first=resumed_at)
    # The first dataflow stopped somewhere; the second resumed at an hour it had written.
    cut = {topic: chance.randint(0, len(events)) for topic, events in first.items()}
    least = written(end=resumed_at)
    twice = {
        topic: events[: max(cut[topic], len(least[topic]))] + second[topic]
        for topic, events in first.items()
    }
    pending = new_pending(twice)
    updates: list[HourUpdate] = []
    for batch in batches(twice, start_of(twice), chance):
        updates += feed(pending, batch)
    check_updates(updates)
    assert pending.offsets() == end_of(twice)


def test_duplicates_of_returned_hours_are_counted() -> None:
    topics = written()
    pending = new_pending(topics)
    everything = [each for queue in deliveries(topics, start_of(topics)).values() for each in queue]
    feed(pending, everything)
    again = [(topic, offset + 10_000, event) for topic, offset, event in everything]
    assert feed(pending, again) == []
    assert pending.duplicates == len(everything)
    ends = {topic: offset + 10_000 for topic, offset in end_of(topics).items()}
    assert pending.offsets() == ends


def test_an_hour_waits_for_its_last_zone() -> None:
    pending, rest = opened()
    last = rest[HOURLY_RIDES].pop()
    assert feed(pending, [*rest[PREDICTIONS], *rest[ALERTS], *rest[HOURLY_RIDES]]) == []
    assert len(feed(pending, [last])) == 1


def test_an_hour_waits_for_the_last_prediction_of_the_next() -> None:
    pending, rest = opened()
    last = rest[PREDICTIONS].pop()
    assert feed(pending, [*rest[HOURLY_RIDES], *rest[ALERTS], *rest[PREDICTIONS]]) == []
    assert len(feed(pending, [last])) == 1


def test_an_hour_waits_for_its_end_after_its_alerts() -> None:
    pending, rest = opened()
    end = rest[ALERTS].pop()
    assert isinstance(end[2], HourEnd)
    assert feed(pending, [*rest[HOURLY_RIDES], *rest[PREDICTIONS], *rest[ALERTS]]) == []
    (update,) = feed(pending, [end])
    assert update.closed is not None
    check_closed(update.closed)


def test_an_end_that_waits_for_its_hour_is_read_again_by_a_restart() -> None:
    pending, rest = opened()
    end = rest[ALERTS][-1]
    feed(pending, rest[ALERTS])
    assert pending.positions[ALERTS] == end[1] + 1
    assert pending.offsets()[ALERTS] <= end[1]


def test_what_was_passed_over_is_not_read_again() -> None:
    pending, _ = opened()
    pending.pass_over(PREDICTIONS, 500)
    assert pending.positions[PREDICTIONS] == pending.offsets()[PREDICTIONS] == 501


@pytest.mark.parametrize("topic", [HOURLY_RIDES, PREDICTIONS, ALERTS])
def test_an_hour_before_the_one_before_it_is_complete_is_an_error(topic: str) -> None:
    pending = new_pending(written())
    queue = deliveries(written(), start_of(written()))[topic]
    second = [each for each in queue if hour_of(each[2]) == hour_of(queue[0][2]) + HOUR_MS]
    with pytest.raises(EventError) as caught:
        feed(pending, [queue[0], second[0]] if topic != ALERTS else second[:1])
    assert str(caught.value).startswith(
        f"topic '{topic}' partition 3 offset {second[0][1]}: the hour 2024-10-01 01:00 came before "
        "2024-10-01 00:00 was complete: records were lost"
    )
    assert caught.value.exit_code == 4


def hour_of(event: Event) -> int:
    """The hour by which the events of a topic are in order."""
    return event.end_ts if isinstance(event, HourEnd) else event.pickup_ts


def changed(event: Event, chance: random.Random) -> Event:
    """An event that differs in one of its values."""
    replace = msgspec.structs.replace
    if isinstance(event, HourlyRides):
        return replace(event, rides=event.rides + 1)
    if isinstance(event, Alert):
        return replace(event, relative_change=event.relative_change + 0.0001)
    if isinstance(event, HourEnd):
        return replace(event, **{chance.choice(["rides", "predictions", "alerts"]): "0" * 16})
    late = event.other_models["late"]
    return chance.choice(
        [
            replace(event, predicted_demand=event.predicted_demand + 0.0001),
            replace(event, predicted_median=event.predicted_median + 0.0001),
            replace(event, lower=event.lower + 0.1),
            replace(event, upper=event.upper + 1.0),
            replace(event, other_models=event.other_models | {"late": (late or 0.0) + 1.0}),
            replace(event, other_models={"late": late} if event.other_models["gaps"] else {"x": 1}),
            replace(event, other_models=event.other_models | {"new": None}),
        ]
    )


def lose(events: list[Event], at: int, chance: random.Random) -> None:
    del events[at : at + chance.choice([1, 1, 2, 7])]


def alter(events: list[Event], at: int, chance: random.Random) -> None:
    events[at] = changed(events[at], chance)


def insert(events: list[Event], at: int, chance: random.Random) -> None:
    events.insert(chance.randint(0, at), changed(events[at], chance))


def swap(events: list[Event], at: int, chance: random.Random) -> None:
    other = chance.randrange(len(events))
    events[at], events[other] = events[other], events[at]


@pytest.mark.parametrize("fault", [lose, alter, insert, swap])
@given(st.sampled_from([HOURLY_RIDES, PREDICTIONS, ALERTS]), seeds)
def test_what_is_lost_altered_or_inserted_never_gives_a_wrong_hour(
    fault: Any, topic: str, chance: random.Random
) -> None:
    topics = written()
    fault(topics[topic], chance.randrange(len(topics[topic])), chance)
    pending, updates, error = new_pending(topics), list[HourUpdate](), None
    try:
        for batch in batches(topics, start_of(topics), chance):
            updates += feed(pending, batch)
    except EventError as found:
        error = found
    for update in updates:
        check_forecast(update.forecast)
        if update.closed is not None:
            check_closed(update.closed)
    if fault is alter:
        assert error is not None


@given(seeds)
def test_two_dataflows_at_once_change_nothing(chance: random.Random) -> None:
    first, second = written(), written(first=chance.randint(0, HOURS))
    both: Topics = {}
    for topic, events in first.items():
        again = second[topic]
        # The second starts once the first has written the hours before, and may overtake it.
        begin = len(events) - len(again)
        both[topic] = events[:begin]
        rest = events[begin:]
        while rest or again:
            source = rest if rest and (not again or chance.random() < 0.5) else again
            count = chance.randint(1, 4)
            both[topic] += source[:count]
            del source[:count]
    pending = new_pending(both)
    updates: list[HourUpdate] = []
    for batch in batches(both, start_of(both), chance):
        updates += feed(pending, batch)
    check_updates(updates)
    assert pending.offsets() == end_of(both)


def opened() -> tuple[PendingHours, dict[str, list[Delivery]]]:
    """The first forecast has been returned; what completes the first hour is left."""
    topics = written(end=1)
    pending = new_pending(topics)
    queues = deliveries(topics, start_of(topics))
    forecast, queues[PREDICTIONS] = (
        queues[PREDICTIONS][: len(COLUMNS)],
        queues[PREDICTIONS][len(COLUMNS) :],
    )
    assert feed(pending, [queues[ALERTS].pop(0)]) == []
    assert feed(pending, forecast[:-1]) == []
    (update,) = feed(pending, forecast[-1:])
    assert (update.forecast_ts, update.closed) == (START, None)
    return pending, queues
