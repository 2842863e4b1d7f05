import logging
import random
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from bytewax.inputs import FixedPartitionedSource, StatefulSourcePartition
from bytewax.testing import TestingSink, cluster_main, run_main
from hypothesis import Phase, given
from hypothesis import strategies as st

from dataflows.counting import CityHour
from dataflows.events import ForecastStep, alert_events
from dataflows.flow import CountLogic, DayLog, ForecastLogic, build_flow
from dataflows.forecasting.engine import ForecastEngine
from dataflows.trip_batch import TripBatch
from rushhour.core.arrays import Counts
from rushhour.core.errors import EventError, StackError
from rushhour.core.events import (
    Alert,
    AlertEvent,
    HourlyRides,
    Prediction,
    Trip,
    TripEvent,
)
from rushhour.core.hours import HOUR_MS
from rushhour.core.models import SERVED
from rushhour.core.topics import ALERTS, HOURLY_RIDES, PREDICTIONS, partition_of
from rushhour.core.zones import ZONE_COUNT, ZONE_IDS
from rushhour.storage.columns import zones_of
from tests.fixtures.examples import few_examples
from tests.fixtures.trip_stream import numbered, stream_of, tick_after
from tests.fixtures.zone_events import prediction_events, rides_events

START = 1_727_740_800_000
HOURS = 66
CROWDED, CROWDED_FROM = 1, 58  # a zone with many trips from that hour on, for an alert
PARTITIONS = 3
EVENT_ZONES = [zones_of(partition, 2) for partition in range(2)]

Outputs = tuple[list[list[HourlyRides]], list[list[Prediction]], list[AlertEvent]]


class ListPartition(StatefulSourcePartition[TripBatch, int]):
    """Yields the batches of one partition, one at a time."""

    def __init__(self, batches: Sequence[TripBatch], done: int) -> None:
        self._batches = batches
        self._done = done

    def next_batch(self) -> list[TripBatch]:
        if self._done == len(self._batches):
            raise StopIteration
        self._done += 1
        return [self._batches[self._done - 1]]

    def snapshot(self) -> int:
        return self._done


class ListSource(FixedPartitionedSource[TripBatch, int]):
    """Partitions of `trips` that are complete from the start."""

    def __init__(self, batches: Sequence[Sequence[TripBatch]]) -> None:
        self._batches = batches

    def list_parts(self) -> list[str]:
        return [str(partition) for partition in range(len(self._batches))]

    def build_part(self, step_id: str, for_part: str, resume_state: int | None) -> ListPartition:
        return ListPartition(self._batches[int(for_part)], resume_state or 0)


def pickups() -> list[tuple[int, int]]:
    chance = np.random.default_rng(1)
    times = np.sort(chance.integers(START, START + HOURS * HOUR_MS, 6_000)).tolist()
    zones = chance.integers(1, ZONE_COUNT + 1, len(times)).tolist()
    crowd_ts = START + CROWDED_FROM * HOUR_MS
    zones[::3] = [CROWDED if ts >= crowd_ts else 132 for ts in times[::3]]
    return list(zip(times, zones, strict=True))


def batches_of(partition: int) -> list[TripBatch]:
    own = numbered(
        (ts, zone) for ts, zone in pickups() if partition_of(zone, PARTITIONS) == partition
    )
    events = stream_of(own, START, HOURS)
    chance, out = random.Random(partition), list[TripBatch]()
    while events:
        length = chance.randint(1, 300)
        out.append(TripBatch.of(partition, events[:length]))
        events = events[length:]
    return out


def outputs_of(workers: int) -> Outputs:
    hours: list[tuple[str, CityHour]] = []
    forecasts: list[tuple[str, ForecastStep]] = []
    drifts: list[tuple[str, ForecastStep]] = []
    source = ListSource([batches_of(partition) for partition in range(PARTITIONS)])
    sinks: dict[str, list[Any]] = {HOURLY_RIDES: hours, PREDICTIONS: forecasts, ALERTS: drifts}
    flow = build_flow(
        source,
        PARTITIONS,
        START,
        {topic: TestingSink(items) for topic, items in sinks.items()},
    )
    if workers == 1:
        run_main(flow)  # type: ignore[no-untyped-call]
    else:
        cluster_main(flow, [], 0, worker_count_per_proc=workers)  # type: ignore[no-untyped-call]
    return (
        [[] if hour.rides is None else rides_events(hour.hour_ts, hour.rides) for _, hour in hours],
        [prediction_events(step.forecast) for _, step in forecasts],
        [alert for _, step in drifts for alert in alert_events(step, EVENT_ZONES)],
    )


@pytest.fixture(scope="module")
def one_worker() -> Outputs:
    return outputs_of(1)


def test_the_flow_gives_the_rides_of_every_hour_and_zone(one_worker: Outputs) -> None:
    opening, *hours = one_worker[0]
    assert opening == []
    assert [{event.pickup_ts for event in hour} for hour in hours] == [
        {START + i * HOUR_MS} for i in range(HOURS)
    ]
    for hour in hours:
        assert [event.pickup_location_id for event in hour] == list(ZONE_IDS)
    expected = np.zeros((HOURS, ZONE_COUNT), np.int64)
    for ts, zone in pickups():
        expected[(ts - START) // HOUR_MS, zone - 1] += 1
    assert np.array_equal([[event.rides for event in hour] for hour in hours], expected)


def test_the_flow_forecasts_each_hour_from_the_rides_it_gives(one_worker: Outputs) -> None:
    rides, predictions, alerts = one_worker
    engine = ForecastEngine()
    steps = [ForecastStep(None, np.full(ZONE_COUNT, np.nan), engine.predict_one(START))]
    for i, hour in enumerate(rides[1:]):
        counts = np.array([event.rides for event in hour])
        changes = engine.learn_one(START + i * HOUR_MS, counts)
        forecast = engine.predict_one(START + (i + 1) * HOUR_MS)
        steps.append(ForecastStep(counts, changes, forecast))
    assert predictions == [prediction_events(step.forecast) for step in steps]
    assert CROWDED in {alert.pickup_location_id for alert in alerts if isinstance(alert, Alert)}
    assert alerts == [event for step in steps for event in alert_events(step, EVENT_ZONES)]
    assert {event.model for hour in predictions for event in hour} == {SERVED}


@given(st.integers(0, 2**32 - 1), st.integers(1, 8), st.data())
@few_examples(8, phases=[Phase.generate])  # a smaller seed is no simpler case
def test_the_forecast_of_an_hour_does_not_depend_on_its_rides(
    seed: int, hours: int, data: st.DataObject
) -> None:
    changed = data.draw(st.integers(0, hours - 1))
    random = np.random.default_rng(seed)
    rides = random.poisson(5, (hours, ZONE_COUNT))
    other = rides.copy()
    other[changed:] += random.integers(1, 50, other[changed:].shape)
    before, after = forecasts_of(rides), forecasts_of(other)
    assert before[: changed + 1] == after[: changed + 1]
    assert before[changed + 1] != after[changed + 1]  # that of the next hour does


def forecasts_of(rides: Counts) -> list[list[Prediction]]:
    """Return the forecasts of the hours, and of the hour after them."""
    logic = ForecastLogic(ForecastEngine())
    hours = [CityHour(START + i * HOUR_MS, row) for i, row in enumerate(rides)]
    steps, _ = logic.on_batch([CityHour(START, None), *hours])
    return [prediction_events(step.forecast) for step in steps]


def test_a_missing_trip_is_an_error_that_names_its_place() -> None:
    events: list[TripEvent] = [tick_after([], START), Trip(0, START, 1), Trip(2, START, 1)]
    with pytest.raises(EventError) as caught:
        CountLogic(None, START).on_batch([TripBatch.of(2, events, range(7, 10))])
    assert str(caught.value) == (
        "topic 'trips' partition 2 offset 9: trip 2 came where trip 1 was due: records were lost, "
        "or are not the producer's: start a new run, or pass over a record with `rushhour skip`"
    )
    assert caught.value.exit_code == 4


def test_duplicate_trips_are_logged_with_their_partition(caplog: pytest.LogCaptureFixture) -> None:
    trips = [Trip(i, START + i, 1) for i in range(3)]
    logic = CountLogic(None, START)
    with caplog.at_level(logging.INFO, logger="dataflows"):
        logic.on_batch([TripBatch.of(2, [tick_after([], START), *trips])])
        assert caplog.messages == []
        logic.on_batch([TripBatch.of(2, [*trips[1:], tick_after(trips, START + HOUR_MS)])])
    assert caplog.messages == ["partition 2 of trips: dropped 2 duplicate trips, 2 in total"]


def test_each_simulated_day_is_one_line_of_the_log(caplog: pytest.LogCaptureFixture) -> None:
    day = DayLog()
    with caplog.at_level(logging.INFO, logger="dataflows"):
        for i in range(10, 47):  # a process that resumed at 10:00
            day.add(START + i * HOUR_MS, 100, i % 2)
        assert caplog.messages == ["closed 2024-10-01: 14 hours, 1400 rides, 7 alerts"]
        day.add(START + 47 * HOUR_MS, 5, 0)
    assert caplog.messages[1:] == ["closed 2024-10-02: 24 hours, 2305 rides, 11 alerts"]


@pytest.mark.parametrize("lost", [True, False])
def test_an_engine_from_another_time_than_the_joiner_is_an_error(lost: bool) -> None:
    engine = ForecastEngine()
    if not lost:
        engine.predict_one(START)
    hour = CityHour(START + HOUR_MS, np.zeros(ZONE_COUNT, np.int64))
    instead = "nothing" if lost else "2024-10-01 00:00"
    with pytest.raises(
        StackError, match=f"the city continues at 2024-10-01 01:00 instead of {instead}: "
    ):
        ForecastLogic(engine).on_batch([hour])


@pytest.mark.parametrize("workers", [2, 3])
def test_any_number_of_workers_gives_the_same_events(one_worker: Outputs, workers: int) -> None:
    assert outputs_of(workers) == one_worker
