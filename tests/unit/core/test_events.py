import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rushhour.core.checksums import text
from rushhour.core.codec import Codec, alert_codec, prediction_codec, rides_codec, trip_codec
from rushhour.core.errors import EventError, KafkaFailure
from rushhour.core.events import (
    Alert,
    AlertEvent,
    HourEnd,
    HourlyRides,
    Prediction,
    Tick,
    Trip,
    TripEvent,
)
from rushhour.core.hours import HOUR_MS, to_datetime

OCTOBER = 1_727_740_800_000  # 2024-10-01 00:00
RUN = "0123456789ab"

TRIP: dict[str, Any] = {
    "type": "trip",
    "run_id": RUN,
    "seq": 7,
    "pickup_ts": OCTOBER,
    "pickup_location_id": 132,
}
TICK: dict[str, Any] = {
    "type": "tick",
    "run_id": RUN,
    "sim_ts": OCTOBER,
    "trips": 8,
    "checksum": "0123456789abcdef",
}
HOUR_END: dict[str, Any] = {
    "type": "hour_end",
    "run_id": RUN,
    "partition": 3,
    "end_ts": OCTOBER,
    "rides": "0123456789abcdef",
    "predictions": "f" * 16,
    "alerts": "0" * 16,
}
RIDES: dict[str, Any] = {
    "run_id": RUN,
    "pickup_location_id": 132,
    "pickup_hour": "2024-10-01T00:00:00Z",
    "pickup_ts": OCTOBER,
    "rides": 5,
}
PREDICTION: dict[str, Any] = {
    "run_id": RUN,
    "pickup_location_id": 132,
    "pickup_hour": "2024-10-01T00:00:00Z",
    "pickup_ts": OCTOBER,
    "predicted_demand": 4.25,
    "predicted_median": 1.5,
    "lower": 0.0,
    "upper": 4.0,
    "model": "served",
    "other_models": {"last_hour": 2.0, "same_hour_last_week": None},
}
ALERT: dict[str, Any] = {
    "type": "alert",
    "run_id": RUN,
    "pickup_location_id": 132,
    "pickup_hour": "2024-10-01T00:00:00Z",
    "pickup_ts": OCTOBER,
    "direction": "below",
    "relative_change": -0.5,
}

checksums = st.integers(0, 2**64 - 1).map(text)
instants = st.integers(1_230_768_000_000, 4_102_444_799_999)
hours = st.integers(1_230_768_000_000 // HOUR_MS, 4_102_444_799_999 // HOUR_MS).map(
    lambda hour: hour * HOUR_MS
)
zone_ids = st.integers(1, 265)
demands = st.floats(0, allow_nan=False, allow_infinity=False)
changes = st.floats(-1, 1e6)
trips = st.builds(Trip, st.integers(0, 2**62), instants, zone_ids)
trip_events = st.one_of(trips, st.builds(Tick, instants, st.integers(0, 2**62), checksums))
rides_of_hours = st.builds(HourlyRides.of, zone_ids, hours, st.integers(0, 2**62))
predictions = st.builds(
    lambda zone, hour, mean, ends, model, other_models: Prediction(
        zone, to_datetime(hour), hour, mean, ends[1], ends[0], ends[2], model, other_models
    ),
    zone_ids,
    hours,
    demands,
    st.lists(demands, min_size=3, max_size=3).map(sorted),
    st.text(min_size=1),
    st.dictionaries(st.text(), st.none() | demands, max_size=3),
)
alert_events = st.one_of(
    st.builds(Alert.of, zone_ids, hours, changes),
    st.builds(HourEnd, st.integers(0, 255), hours, checksums, checksums, checksums),
)


def as_json(record: dict[str, Any], **changes: Any) -> bytes:
    return json.dumps(record | changes).encode()


def trip_json(seq: int) -> bytes:
    return as_json(TRIP, seq=seq)


def test_the_wire_has_the_columns_that_the_user_knows() -> None:
    hour = to_datetime(OCTOBER)
    assert json.loads(trip_codec(RUN).encode(Trip(7, OCTOBER, 132))) == TRIP
    assert json.loads(trip_codec(RUN).encode(Tick(OCTOBER, 8, "0123456789abcdef"))) == TICK
    end = HourEnd(3, OCTOBER, "0123456789abcdef", "f" * 16, "0" * 16)
    assert json.loads(alert_codec(RUN).encode(end)) == HOUR_END
    assert json.loads(rides_codec(RUN).encode(HourlyRides.of(132, OCTOBER, 5))) == RIDES
    other_models = {"last_hour": 2.0, "same_hour_last_week": None}
    prediction = Prediction(132, hour, OCTOBER, 4.25, 1.5, 0.0, 4.0, "served", other_models)
    assert json.loads(prediction_codec(RUN).encode(prediction)) == PREDICTION
    assert json.loads(alert_codec(RUN).encode(Alert.of(132, OCTOBER, -0.5))) == ALERT


def test_the_wire_is_the_same_bytes_each_time() -> None:
    assert rides_codec(RUN).encode(HourlyRides.of(132, OCTOBER, 5)) == (
        b'{"run_id":"0123456789ab","pickup_location_id":132,"pickup_hour":"2024-10-01T00:00:00Z",'
        b'"pickup_ts":1727740800000,"rides":5}'
    )


@given(trip_events)
def test_trips_and_ticks_survive_the_wire(event: TripEvent) -> None:
    decoded = trip_codec(RUN).decode(trip_codec(RUN).encode(event))
    assert (type(decoded), decoded) == (type(event), event)


@given(rides_of_hours)
def test_rides_survive_the_wire(event: HourlyRides) -> None:
    decoded = rides_codec(RUN).decode(rides_codec(RUN).encode(event))
    assert decoded == event
    assert decoded.pickup_hour.timestamp() * 1000 == decoded.pickup_ts
    assert decoded.pickup_hour.utcoffset() is not None


@given(predictions)
def test_predictions_survive_the_wire(event: Prediction) -> None:
    decoded = prediction_codec(RUN).decode(prediction_codec(RUN).encode(event))
    assert decoded == event
    assert list(decoded.other_models) == list(event.other_models)


@given(alert_events)
def test_alerts_and_ticks_survive_the_wire(event: AlertEvent) -> None:
    decoded = alert_codec(RUN).decode(alert_codec(RUN).encode(event))
    assert (type(decoded), decoded) == (type(event), event)


@given(zone_ids, hours, changes)
def test_an_alert_is_above_or_below_by_the_sign_of_its_change(
    zone: int, hour: int, change: float
) -> None:
    assert Alert.of(zone, hour, change).direction == ("above" if change >= 0 else "below")


@pytest.mark.parametrize("direction", ["more rides", "", None])
def test_no_other_direction_is_read(direction: str | None) -> None:
    with pytest.raises(EventError, match="direction"):
        alert_codec(RUN).decode(as_json(ALERT, direction=direction))


@pytest.mark.parametrize("ends", [(2.0, 4.0), (0.0, 1.0), (4.0, 0.0)])
def test_an_interval_holds_its_median(ends: tuple[float, float]) -> None:
    value = as_json(PREDICTION, lower=ends[0], upper=ends[1])
    with pytest.raises(EventError, match=r"predicted_median 1\.5 lies outside"):
        prediction_codec(RUN).decode(value)


# The user's two faults: epoch seconds where milliseconds belong, and a string or a float
# where an int belongs.


@pytest.mark.parametrize(
    ("codec", "record"),
    [
        (trip_codec, TRIP),
        (rides_codec, RIDES),
        (prediction_codec, PREDICTION),
        (alert_codec, ALERT),
    ],
    ids=["trips", "hourly_rides", "predictions", "alerts"],
)
def test_epoch_seconds_are_refused_and_milliseconds_asked_for(
    codec: Callable[[str], Codec[Any]], record: dict[str, Any]
) -> None:
    with pytest.raises(EventError) as caught:
        codec(RUN).decode(as_json(record, pickup_ts=OCTOBER // 1000))
    message = str(caught.value)
    assert "pickup_ts" in message
    assert "epoch milliseconds are expected: is this epoch seconds?" in message
    assert str(OCTOBER // 1000) in message
    assert "\n" not in message


@given(st.integers(-(2**40), 4_102_444_800))
def test_no_epoch_seconds_up_to_2100_pass_for_milliseconds(seconds: int) -> None:
    with pytest.raises(EventError, match="milliseconds"):
        trip_codec(RUN).decode(as_json(TRIP, pickup_ts=seconds))
    with pytest.raises(EventError, match="milliseconds"):
        trip_codec(RUN).decode(as_json(TICK, sim_ts=seconds))


@given(instants.map(lambda ts: ts * 1000))
def test_no_epoch_microseconds_pass_for_milliseconds(micros: int) -> None:
    with pytest.raises(EventError, match="pickup_ts"):
        trip_codec(RUN).decode(as_json(TRIP, pickup_ts=micros))


@pytest.mark.parametrize("kind", [str, float], ids=["string", "float"])
@pytest.mark.parametrize(
    ("codec", "record", "field"),
    [
        (trip_codec, TRIP, "pickup_ts"),
        (trip_codec, TRIP, "pickup_location_id"),
        (trip_codec, TRIP, "seq"),
        (rides_codec, RIDES, "pickup_ts"),
        (rides_codec, RIDES, "pickup_location_id"),
        (rides_codec, RIDES, "rides"),
        (prediction_codec, PREDICTION, "pickup_ts"),
        (prediction_codec, PREDICTION, "pickup_location_id"),
        (alert_codec, ALERT, "pickup_ts"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_string_or_a_float_is_not_an_int(
    codec: Callable[[str], Codec[Any]],
    record: dict[str, Any],
    field: str,
    kind: Callable[[Any], Any],
) -> None:
    codec(RUN).decode(as_json(record))  # as it should be, it passes
    got = "str" if kind is str else "float"
    with pytest.raises(EventError) as caught:
        codec(RUN).decode(as_json(record, **{field: kind(record[field])}))
    message = str(caught.value)
    assert message.startswith(f"Expected `int`, got `{got}` - at `$.{field}`")


@pytest.mark.parametrize("bad", ["NaN", '"3"', "null", "-0.5", "true"])
def test_a_demand_is_a_number_and_not_negative(bad: str) -> None:
    value = as_json(PREDICTION).replace(b'"predicted_demand": 4.25', b'"predicted_demand": %b')
    assert b"%b" in value
    with pytest.raises(EventError):
        prediction_codec(RUN).decode(value % bad.encode())


@pytest.mark.parametrize("zone", [0, 266, -1, 132_000])
def test_a_zone_outside_the_table_is_refused(zone: int) -> None:
    for codec, record in ((trip_codec(RUN), TRIP), (rides_codec(RUN), RIDES)):
        with pytest.raises(EventError, match="pickup_location_id"):
            codec.decode(as_json(record, pickup_location_id=zone))


@pytest.mark.parametrize("zone", [1, 264, 265])
def test_the_zones_at_the_edges_and_outside_the_city_are_zones(zone: int) -> None:
    assert trip_codec(RUN).decode(as_json(TRIP, pickup_location_id=zone)) == Trip(7, OCTOBER, zone)


def test_rides_are_not_negative() -> None:
    assert rides_codec(RUN).decode(as_json(RIDES, rides=0)).rides == 0
    with pytest.raises(EventError, match=r"`\$\.rides`"):
        rides_codec(RUN).decode(as_json(RIDES, rides=-1))


@pytest.mark.parametrize("field", sorted(TRIP))
def test_a_missing_field_is_refused(field: str) -> None:
    record = {name: value for name, value in TRIP.items() if name != field}
    with pytest.raises(EventError):
        trip_codec(RUN).decode(as_json(record))


@pytest.mark.parametrize(
    "value",
    [b"", b"null", b"[]", b"\xff\xfe", b"trip", b'{"type":"ride"}', trip_json(1) + b" x"],
    ids=repr,
)
def test_what_is_not_an_event_is_refused(value: bytes) -> None:
    with pytest.raises(EventError):
        trip_codec(RUN).decode(value)
    ((index, reason),) = [
        (d.index, d.reason) for d in trip_codec(RUN).decode_batch([value]).damaged
    ]
    assert index == 0
    assert reason


def test_an_empty_message_is_named_as_such() -> None:
    with pytest.raises(EventError, match=r"got an empty message$"):
        trip_codec(RUN).decode(None)


def test_a_long_value_is_cut_short_in_the_message() -> None:
    with pytest.raises(EventError) as caught:
        trip_codec(RUN).decode(b'"' + b"x" * 10_000 + b'"')
    assert len(str(caught.value)) < 400


def test_a_bad_event_ends_a_process_as_a_kafka_error() -> None:
    assert issubclass(EventError, KafkaFailure)
    assert EventError.exit_code == 4
