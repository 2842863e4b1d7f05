"""What a record of `submissions` holds, and why it cannot be taken."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from consumers.submissions.records import Submission, read_record
from rushhour.core.codec import hour_start_codec
from rushhour.core.events import HourStart

RUN = "id"
HOUR = 1_727_910_000_000  # 2024-10-02 23:00
GOOD = {"model": "mine", "pickup_location_id": 132, "pickup_ts": HOUR, "predicted_demand": 2.5}
TEXT = {name: value for name, value in GOOD.items() if name != "pickup_ts"}


def read(fields: object) -> object:
    return read_record(json.dumps(fields).encode(), RUN)


@pytest.mark.parametrize(
    "fields",
    [
        GOOD,
        GOOD | {"run_id": RUN},
        GOOD | {"pickup_hour": "2024-10-02T23:00:00Z"},
        TEXT | {"pickup_hour": "2024-10-02 23:00"},
        TEXT | {"pickup_hour": "2024-10-02T23:00:00+00:00"},
        TEXT | {"pickup_hour": "2024-10-02T19:00:00-04:00"},
        GOOD | {"whatever": [1]},
    ],
)
def test_a_prediction_has_a_model_a_zone_an_hour_and_a_demand(fields: dict[str, Any]) -> None:
    assert read(fields) == Submission("mine", HOUR, 132, 2.5)


def test_predictions_are_rounded_once() -> None:
    found = [read(GOOD | {"predicted_demand": each}) for each in (1.23456, -0.00001, 7, -2)]
    assert [str(each.demand) for each in found if isinstance(each, Submission)] == [
        "1.2346",
        "0.0",
        "7.0",
        "-2.0",
    ]


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"model": "of:mine"}, "invalid_model"),
        ({"model": ""}, "invalid_model"),
        ({"model": None}, "invalid_model"),
        ({"model": "m" * 65}, "invalid_model"),
        ({"pickup_location_id": "132"}, "not_an_int"),
        ({"pickup_location_id": 132.0}, "not_an_int"),
        ({"pickup_location_id": True}, "not_an_int"),
        ({"pickup_location_id": None}, "not_an_int"),
        ({"pickup_location_id": 0}, "unknown_zone"),
        ({"pickup_location_id": 266}, "unknown_zone"),
        ({"pickup_ts": str(HOUR)}, "not_an_int"),
        ({"pickup_ts": float(HOUR)}, "not_an_int"),
        ({"pickup_ts": HOUR // 1000}, "epoch_seconds"),
        ({"pickup_ts": HOUR + 1}, "no_such_hour"),
        ({"pickup_ts": 0}, "no_such_hour"),
        ({"pickup_ts": 10**40}, "no_such_hour"),
        ({"pickup_hour": "2024-10-02T22:00:00Z"}, "no_such_hour"),
        ({"pickup_hour": "yesterday"}, "no_such_hour"),
        ({"predicted_demand": float("nan")}, "not_a_number"),
        ({"predicted_demand": float("inf")}, "not_a_number"),
        ({"predicted_demand": 1e300}, "not_a_number"),
        ({"predicted_demand": "2.5"}, "not_a_number"),
        ({"predicted_demand": None}, "not_a_number"),
        ({"predicted_demand": True}, "not_a_number"),
    ],
)
def test_what_cannot_be_scored_has_a_reason(change: dict[str, Any], reason: str) -> None:
    found = read(GOOD | change)
    assert isinstance(found, tuple)
    assert found[0] == reason
    assert str(next(iter(change))) in found[1]


@pytest.mark.parametrize("name", [name for name in GOOD])
def test_a_missing_field_is_named(name: str) -> None:
    found = read({field: value for field, value in GOOD.items() if field != name})
    named = "pickup_hour" if name == "pickup_ts" else name
    assert found == ("undecodable", f"no field {named}")


@pytest.mark.parametrize(
    "value", [None, b"", b"\xff", b"[1]", b"7", b"{", b'{"model":', b"[" * 100_000, b"NaN"]
)
def test_what_is_not_a_json_object_is_undecodable(value: bytes | None) -> None:
    found = read_record(value, RUN)
    assert isinstance(found, tuple)
    assert found[0] == "undecodable"


def test_the_advice_for_epoch_seconds_is_the_instant_in_milliseconds() -> None:
    found = read(GOOD | {"pickup_ts": HOUR // 1000})
    assert isinstance(found, tuple)
    assert found[1].endswith(f"pass {HOUR}")


def test_a_record_of_another_run_is_passed_over() -> None:
    assert read(GOOD | {"run_id": "other"}) is None
    assert read_record(hour_start_codec("other").encode(HourStart(HOUR)), RUN) is None
    assert read({"type": "hour_start", "start_ts": HOUR}) is None


def test_the_start_of_an_hour_is_the_producers() -> None:
    assert read_record(hour_start_codec(RUN).encode(HourStart(HOUR)), RUN) == HourStart(HOUR)
    found = read({"type": "hour_start", "run_id": RUN, "start_ts": HOUR + 1})
    assert isinstance(found, tuple)
    assert found[0] == "undecodable"


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=5,
)


@settings(max_examples=50)
@given(st.dictionaries(st.sampled_from([*GOOD, "pickup_hour", "run_id", "type"]), json_values))
def test_any_values_are_judged(change: dict[str, Any]) -> None:
    found = read(GOOD | change)
    assert found is None or isinstance(found, Submission | tuple)


@given(st.binary())
def test_any_bytes_are_judged(value: bytes) -> None:
    assert isinstance(read_record(value, RUN), tuple)
