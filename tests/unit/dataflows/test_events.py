import numpy as np

from dataflows.counting import CityHour
from dataflows.events import ForecastStep, alert_events, prediction_events, rides_events
from rushhour.core.events import Alert, HourEnd
from rushhour.core.forecast import Forecast
from rushhour.core.hour_checksums import checksums, hour_hashes
from rushhour.core.hours import HOUR_MS, to_datetime
from rushhour.core.models import SERVED
from rushhour.core.zones import ZONE_COUNT, ZONE_IDS
from rushhour.storage.columns import zones_of

START = 1_727_740_800_000  # 2024-10-01 00:00
ZONES = [zones_of(partition, 2) for partition in range(2)]
RIDES = np.arange(ZONE_COUNT, dtype=np.int64)


def forecast_of(served: float) -> Forecast:
    column = np.full(ZONE_COUNT, served)
    return Forecast(START, {SERVED: column}, column - 1, column + 1)


def test_a_forecast_becomes_one_event_for_each_zone() -> None:
    served = np.arange(ZONE_COUNT) / 4
    silent = np.full(ZONE_COUNT, np.nan)
    silent[1] = 7.0
    by_model = {SERVED: served, "silent": silent, "loud": served * 2}
    events = prediction_events(Forecast(START, by_model, served - served, served + 1))
    assert [event.pickup_location_id for event in events] == list(ZONE_IDS)
    assert [event.predicted_demand for event in events] == served.tolist()
    assert {(e.model, e.pickup_ts, e.pickup_hour) for e in events} == {
        (SERVED, START, to_datetime(START))
    }
    assert events[0].other_models == {"silent": None, "loud": 0.0}
    assert events[1].other_models == {"silent": 7.0, "loud": 0.5}
    assert [(event.lower, event.upper) for event in events[:2]] == [(0.0, 1.0), (0.0, 1.25)]


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


def test_a_closed_hour_becomes_one_event_for_each_zone_zeros_included() -> None:
    rides = np.zeros(ZONE_COUNT, np.int64)
    rides[131] = 9
    events = rides_events(CityHour(START, rides))
    assert [event.pickup_location_id for event in events] == list(ZONE_IDS)
    assert [event.rides for event in events] == rides.tolist()
    assert {type(event.rides) for event in events} == {int}
    assert {(event.pickup_ts, event.pickup_hour) for event in events} == {
        (START, to_datetime(START))
    }


def test_the_opening_of_a_replay_has_no_rides() -> None:
    assert rides_events(CityHour(START, None)) == []
