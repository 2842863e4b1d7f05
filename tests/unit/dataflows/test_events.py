from typing import Any

import numpy as np

from dataflows.counting import CityHour
from dataflows.events import ForecastStep, HourMessages, alert_events
from rushhour.core.codec import Codec, alert_codec, prediction_codec, rides_codec
from rushhour.core.events import Alert, HourEnd
from rushhour.core.forecast import Forecast
from rushhour.core.hour_checksums import checksums, hour_hashes
from rushhour.core.hours import HOUR_MS, to_datetime
from rushhour.core.models import SERVED
from rushhour.core.topics import Messages
from rushhour.core.zones import ZONE_COUNT
from rushhour.storage.columns import zones_of
from tests.fixtures.zone_events import prediction_events, rides_events

RUN = "0123456789ab"
START = 1_727_740_800_000  # 2024-10-01 00:00
ZONES = [zones_of(partition, 2) for partition in range(2)]
RIDES = np.arange(ZONE_COUNT, dtype=np.int64)


def forecast_of(served: float) -> Forecast:
    column = np.full(ZONE_COUNT, served)
    return Forecast(START, {SERVED: column}, column + 0.5, column - 1, column + 1)


def test_the_alerts_of_the_closed_hour_come_before_the_end_of_the_hour() -> None:
    changes = np.full(ZONE_COUNT, np.nan)
    changes[[2, 264]] = -0.25, 1.5
    closed = START - HOUR_MS
    forecast = forecast_of(3.0)
    hashes = hour_hashes(RIDES, forecast, changes)
    assert alert_events(ForecastStep(RIDES, changes, forecast), ZONES) == [
        Alert(3, to_datetime(closed), closed, "below", -0.25),
        Alert(265, to_datetime(closed), closed, "above", 1.5),
        HourEnd(0, START, *checksums(hashes, ZONES[0])),
        HourEnd(1, START, *checksums(hashes, ZONES[1])),
    ]


def test_the_opening_of_a_replay_has_an_end_on_each_partition() -> None:
    step = ForecastStep(None, np.full(ZONE_COUNT, np.nan), forecast_of(3.0))
    assert [
        (event.partition, event.end_ts)
        for event in alert_events(step, ZONES)
        if isinstance(event, HourEnd)
    ] == [(0, START), (1, START)]


def decoded(codec: Codec[Any], messages: Messages) -> list[list[Any]]:
    """The events of each partition; each message has the key of its zone, or none."""
    events = [[codec.decode(value) for _, value in own] for own in messages]
    for own, found in zip(messages, events, strict=True):
        for (key, _), event in zip(own, found, strict=True):
            zone = getattr(event, "pickup_location_id", None)
            assert key == (None if zone is None else str(zone).encode())
    return events


def test_each_partition_gets_the_rides_of_its_zones_zeros_included() -> None:
    hour = CityHour(START, RIDES % 3)
    expected = rides_events(START, RIDES % 3)
    assert decoded(rides_codec(RUN), HourMessages(RUN, 2).rides(hour)) == [
        [event for event in expected if zones[event.pickup_location_id - 1]] for zones in ZONES
    ]


def test_the_opening_of_a_replay_has_no_rides() -> None:
    assert HourMessages(RUN, 3).rides(CityHour(START, None)) == [[], [], []]


def test_each_partition_gets_the_forecast_for_its_zones() -> None:
    step = ForecastStep(None, np.full(ZONE_COUNT, np.nan), forecast_of(3.0))
    expected = prediction_events(step.forecast)
    assert decoded(prediction_codec(RUN), HourMessages(RUN, 2).predictions(step)) == [
        [event for event in expected if zones[event.pickup_location_id - 1]] for zones in ZONES
    ]


def test_each_partition_gets_the_alerts_of_its_zones_and_then_its_end() -> None:
    step = ForecastStep(RIDES, RIDES / 100 - 1, forecast_of(3.0))
    events = alert_events(step, ZONES)
    alerts = [event for event in events if isinstance(event, Alert)]
    assert decoded(alert_codec(RUN), HourMessages(RUN, 2).alerts(step)) == [
        [*(a for a in alerts if zones[a.pickup_location_id - 1]), end]
        for zones, end in zip(ZONES, events[-2:], strict=True)
    ]
