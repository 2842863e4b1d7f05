"""Which events of the dataflow can be a run's on a partition."""

import pytest

from consumers.bounds import are_within, fault_of
from rushhour.core.bounds import PartitionBounds
from rushhour.core.events import Alert, AlertEvent, HourEnd, HourlyRides, Prediction
from rushhour.core.hours import HOUR_MS, to_datetime
from rushhour.core.topics import partition_of
from rushhour.core.zones import ZONE_IDS
from rushhour.storage.columns import zones_of

START = 1_727_740_800_000  # 2024-10-01 00:00
END = START + 3 * HOUR_MS
PARTITION = 2
BOUNDS = PartitionBounds(START, END, zones_of(PARTITION, 4))
OWN = next(zone for zone in ZONE_IDS if partition_of(zone, 4) == PARTITION)
OTHER = next(zone for zone in ZONE_IDS if partition_of(zone, 4) != PARTITION)

Event = HourlyRides | Prediction | AlertEvent


def prediction(zone: int, hour: int) -> Prediction:
    return Prediction(zone, to_datetime(hour), hour, 2.5, 1.0, 0.0, 2.0, "served", {})


def end(hour: int, partition: int = PARTITION) -> HourEnd:
    return HourEnd(partition, hour, "0" * 16, "0" * 16, "0" * 16)


LAST = END - HOUR_MS
GOOD: list[Event] = [
    *(HourlyRides.of(OWN, hour, 1) for hour in (START, LAST)),
    *(Alert.of(OWN, hour, 0.5) for hour in (START, LAST)),
    *(prediction(OWN, hour) for hour in (START, END)),  # the last is for the hour after the run
    *(end(hour) for hour in (START, END)),  # the first is that of the opening
]
OUTSIDE: list[Event] = [
    *(HourlyRides.of(OWN, hour, 1) for hour in (START - HOUR_MS, END)),
    *(Alert.of(OWN, hour, 0.5) for hour in (START - HOUR_MS, END)),
    *(prediction(OWN, hour) for hour in (START - HOUR_MS, END + HOUR_MS)),
    *(end(hour) for hour in (START - HOUR_MS, END + HOUR_MS)),
]
MISPLACED: list[Event] = [
    HourlyRides.of(OTHER, START, 1),
    Alert.of(OTHER, START, 0.5),
    prediction(OTHER, START),
    end(START, PARTITION + 1),
]


@pytest.mark.parametrize("event", GOOD, ids=repr)
def test_events_of_the_runs_hours_and_the_partitions_zones_are_taken(event: Event) -> None:
    assert fault_of(BOUNDS, PARTITION, event) is None


@pytest.mark.parametrize("event", OUTSIDE, ids=repr)
def test_events_of_other_hours_are_not(event: Event) -> None:
    fault = fault_of(BOUNDS, PARTITION, event)
    assert fault is not None
    assert fault[0] == "out_of_bounds"


@pytest.mark.parametrize("event", MISPLACED, ids=repr)
def test_events_of_another_partition_are_not(event: Event) -> None:
    fault = fault_of(BOUNDS, PARTITION, event)
    assert fault is not None
    assert fault[0] == "wrong_partition"


KINDS: dict[type, list[Event]] = {
    kind: [event for event in GOOD if isinstance(event, kind)]
    for kind in (HourlyRides, Prediction, Alert, HourEnd)
}


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_a_batch_is_within_the_bounds_if_each_of_its_events_is(kind: type) -> None:
    good = KINDS[kind]
    assert are_within(BOUNDS, PARTITION, good)
    for wrong in (*OUTSIDE, *MISPLACED):
        if isinstance(wrong, kind):
            assert not are_within(BOUNDS, PARTITION, [*good, wrong])


def test_alerts_and_ends_of_hours_are_one_batch() -> None:
    assert are_within(BOUNDS, PARTITION, [*KINDS[Alert], *KINDS[HourEnd]])
    wrong = end(START, PARTITION + 1)
    assert not are_within(BOUNDS, PARTITION, [*KINDS[Alert], wrong])
    assert are_within(BOUNDS, PARTITION, [])
