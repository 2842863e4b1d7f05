"""Several partitions of one consumer, and the partitions of several consumers."""

import gc

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from consumers.assignment import AssignedPartitions, join, partitions_of
from consumers.pending import HourUpdate, PendingHours
from rushhour.core.arrays import Floats, ZoneMask
from rushhour.core.events import Alert, AlertEvent, HourEnd, HourlyRides, Prediction
from rushhour.core.forecast import Forecast
from rushhour.core.hour_checksums import checksums, hour_hashes
from rushhour.core.hours import HOUR_MS, to_datetime
from rushhour.core.topics import ZONE_TOPICS, partition_of
from rushhour.core.zones import ZONE_COUNT, ZONE_IDS
from rushhour.storage.columns import zones_of
from rushhour.storage.hour_tables import HourTables
from tests.fixtures.examples import few_examples

START = 1_727_740_800_000
COLUMNS = np.arange(ZONE_COUNT, dtype=np.float64)


@given(st.integers(1, 256))
@few_examples(20)
def test_the_zones_of_all_partitions_are_all_zones_once(partitions: int) -> None:
    every = [zones_of(partition, partitions) for partition in range(partitions)]
    assert np.sum(every, axis=0).tolist() == [1] * ZONE_COUNT
    for zone in ZONE_IDS:
        assert every[partition_of(zone, partitions)][zone - 1]


@given(st.integers(1, 16), st.integers(1, 64))
@example(3, 256)
@few_examples(20)
def test_every_partition_with_zones_belongs_to_exactly_one_consumer(
    consumers: int, partitions: int
) -> None:
    shares = [partitions_of(process, consumers, partitions) for process in range(consumers)]
    owned = [partition for share in shares for partition in share]
    assert sorted(owned) == sorted({partition_of(zone, partitions) for zone in ZONE_IDS})
    for share in shares:
        for partition, zones in share.items():
            assert zones.tolist() == zones_of(partition, partitions).tolist()
    sizes = [len(share) for share in shares]
    assert max(sizes) - min(sizes) <= 1


def test_partitions_without_zones_belong_to_no_consumer() -> None:
    empty = {p for p in range(256) if not zones_of(p, 256).any()}
    assert empty
    assert empty.isdisjoint(partitions_of(0, 1, 256))
    assert partitions_of(3, 4, 3) == {}


def forecast(hour: int, mask: ZoneMask) -> Forecast:
    """Values that differ by hour, zone and table; NaN where a zone is not in the mask."""

    def column(table: float) -> Floats:
        return np.where(mask, COLUMNS + 1000 * hour + table, np.nan)

    by_model = {"served": column(0.1), "other": column(0.2)}
    return Forecast(START + hour * HOUR_MS, by_model, column(0.3), column(0.4), column(0.5))


def update(hour: int, mask: ZoneMask) -> HourUpdate:
    """The update that closes `hour`; the opening one if it is -1."""
    closed = None
    if hour >= 0:
        alerts = np.where(mask & (COLUMNS % 3 == 0), COLUMNS + hour, np.nan)
        closed = HourTables(np.where(mask, COLUMNS + hour, np.nan), forecast(hour, mask), alerts)
    return HourUpdate(mask, forecast(hour + 1, mask), closed)


def test_a_join_leaves_no_garbage_that_python_would_have_to_search_for() -> None:
    """A consumer searches seldom, so the arrays of every hour would stay for a long time."""
    even = COLUMNS % 2 == 0
    gc.collect()
    gc.disable()
    try:
        join([update(0, even), update(0, ~even)])
        assert gc.collect() == 0
    finally:
        gc.enable()


def assert_same_forecast(found: Forecast, expected: Forecast) -> None:
    assert found.hour_ts == expected.hour_ts
    assert list(found.by_model) == list(expected.by_model)
    for name, values in expected.by_model.items():
        np.testing.assert_array_equal(found.by_model[name], values)
    np.testing.assert_array_equal(found.mean, expected.mean)
    np.testing.assert_array_equal(found.lower, expected.lower)
    np.testing.assert_array_equal(found.upper, expected.upper)


@given(st.lists(st.tuples(st.integers(-1, 3), st.integers(0, 4)), unique=True))
def test_updates_of_the_same_hour_become_one_of_all_their_zones(
    returned: list[tuple[int, int]],
) -> None:
    """Partitions (of 5) return hours, in any order."""
    found = join(update(hour, zones_of(partition, 5)) for hour, partition in returned)

    hours = sorted({hour for hour, _ in returned})
    assert [each.forecast_ts for each in found] == [START + (h + 1) * HOUR_MS for h in hours]
    for hour, each in zip(hours, found, strict=True):
        mask = np.any([zones_of(p, 5) for h, p in returned if h == hour], axis=0)
        expected = update(hour, mask)
        assert each.zones.tolist() == mask.tolist()
        assert_same_forecast(each.forecast, expected.forecast)
        assert (each.closed is None) == (hour == -1)
        if each.closed is not None and expected.closed is not None:
            np.testing.assert_array_equal(each.closed.rides, expected.closed.rides)
            np.testing.assert_array_equal(each.closed.alerts, expected.closed.alerts)
            assert_same_forecast(each.closed.forecast, expected.closed.forecast)


def prediction(zone: int, hour_ts: int) -> Prediction:
    return Prediction(zone, to_datetime(hour_ts), hour_ts, 1.5, 1.0, 0.0, 2.0, "served", {})


def end_of(partition: int, end_ts: int, rides: Floats | None, changes: Floats) -> HourEnd:
    one = np.ones(ZONE_COUNT)
    forecast = Forecast(end_ts, {"served": one}, one * 1.5, one - 1, one + 1)
    hashes = hour_hashes(rides, forecast, changes)
    return HourEnd(partition, end_ts, *checksums(hashes, zones_of(partition, 3)))


def assigned(*partitions: int) -> AssignedPartitions:
    """Some of 3 partitions, each read from an offset of its own."""
    return AssignedPartitions(
        {
            partition: PendingHours(
                partition, zones_of(partition, 3), START, dict.fromkeys(ZONE_TOPICS, 10 * partition)
            )
            for partition in partitions
        }
    )


def add_first_hour(parts: AssignedPartitions, partition: int, offset: int) -> None:
    """Everything that closes the first hour of a partition, from an offset on."""
    zones = [zone for zone in ZONE_IDS if partition_of(zone, 3) == partition]
    offsets = range(offset, offset + len(zones))
    parts.add_rides(partition, offsets, [HourlyRides.of(zone, START, zone) for zone in zones])
    hours = range(START, START + 2 * HOUR_MS, HOUR_MS)
    predictions = [prediction(zone, hour) for hour in hours for zone in zones]
    parts.add_predictions(partition, range(offset, offset + len(predictions)), predictions)
    changes = np.full(ZONE_COUNT, np.nan)
    opening = end_of(partition, START, None, changes)
    changes[zones[0] - 1] = 0.5
    end = end_of(partition, START + HOUR_MS, COLUMNS + 1, changes)
    alerts: list[AlertEvent] = [opening, Alert.of(zones[0], START, 0.5), end]
    parts.add_alerts(partition, range(offset, offset + 3), alerts)


def test_partitions_complete_their_hours_on_their_own() -> None:
    parts = assigned(0, 2)
    add_first_hour(parts, 2, 20)
    opening, closing = parts.pop_complete()
    assert opening.closed is None
    assert closing.zones.tolist() == zones_of(2, 3).tolist()
    assert parts.next_hours() == {0: START, 2: START + HOUR_MS}
    assert {place: offset for place, offset in parts.offsets().items() if place[1] == 0} == (
        dict.fromkeys(((topic, 0) for topic in ZONE_TOPICS), 0)
    )
    assert parts.offsets() == parts.positions()
    assert parts.offsets()["alerts", 2] == 23


def test_partitions_that_complete_an_hour_together_return_one_update() -> None:
    parts = assigned(0, 2)
    for partition in (0, 2):
        add_first_hour(parts, partition, 10 * partition)
    opening, closing = parts.pop_complete()
    both = zones_of(0, 3) | zones_of(2, 3)
    assert opening.zones.tolist() == closing.zones.tolist() == both.tolist()
    assert closing.closed is not None
    assert closing.closed.rides[both].tolist() == (COLUMNS + 1)[both].tolist()


def test_duplicates_of_all_partitions_are_counted_together() -> None:
    parts = assigned(0, 2)
    for offset in (0, 1000):
        for partition in (0, 2):
            add_first_hour(parts, partition, offset + 10 * partition)
        parts.pop_complete()
    events = 3 * int((zones_of(0, 3) | zones_of(2, 3)).sum()) + 2 * 3
    assert parts.duplicates == events


def test_an_event_of_another_consumers_partition_is_a_defect() -> None:
    with pytest.raises(KeyError):
        assigned(0).add_rides(1, [0], [HourlyRides.of(1, START, 1)])
