"""A table of predictions becomes records: as it is, so that the run can judge it."""

import json
from decimal import Decimal
from typing import Any

import pandas as pd
import pytest

from consumers.submissions.records import Submission, read_record
from rushhour.submissions import _records

HOUR = 1_727_910_000_000  # 2024-10-02 23:00
STAMP = pd.Timestamp("2024-10-02 23:00")


def records(**columns: list[Any] | pd.Series) -> list[tuple[Any, dict[str, Any]]]:
    frame = pd.DataFrame({"predicted_demand": [2.5]} | columns)
    return [
        (zone, json.loads(value))
        for zone, value in _records(frame, {"run_id": "id", "model": "mine"})
    ]


def judged(**columns: list[Any] | pd.Series) -> object:
    ((_, fields),) = records(**columns)
    return read_record(json.dumps(fields).encode(), "id")


@pytest.mark.parametrize(
    "columns",
    [
        {"pickup_ts": [HOUR]},
        {"pickup_ts": pd.Series([HOUR], dtype="Int64")},
        {"pickup_hour": [STAMP]},
        {"pickup_hour": [STAMP.tz_localize("UTC")]},
        {"pickup_hour": [STAMP.tz_localize("UTC").tz_convert("America/New_York")]},
        {"pickup_hour": ["2024-10-02 23:00:00"]},
        {"pickup_hour": ["2024-10-02T23:00:00Z"], "pickup_ts": [HOUR]},
        {"pickup_hour": [STAMP], "predicted_demand": [Decimal("2.5")]},
    ],
)
def test_hours_of_every_kind_are_the_same_instant(columns: dict[str, Any]) -> None:
    assert judged(pickup_location_id=[132], **columns) == Submission("mine", HOUR, 132, 2.5)


@pytest.mark.parametrize(
    ("columns", "reason"),
    [
        ({"pickup_location_id": ["132"]}, "not_an_int"),
        ({"pickup_location_id": [132.0]}, "not_an_int"),
        ({"pickup_location_id": [float("nan")]}, "not_an_int"),
        ({"pickup_location_id": pd.Series([None], dtype="Int64")}, "not_an_int"),
        ({"pickup_ts": [HOUR // 1000]}, "epoch_seconds"),
        ({"pickup_ts": [float(HOUR)]}, "not_an_int"),
        ({"predicted_demand": [float("nan")]}, "not_a_number"),
        ({"predicted_demand": [float("inf")]}, "not_a_number"),
        ({"predicted_demand": ["2.5"]}, "not_a_number"),
        ({"pickup_hour": [pd.NaT]}, "no_such_hour"),
    ],
)
def test_a_type_is_kept_so_that_it_is_judged(columns: dict[str, Any], reason: str) -> None:
    found = judged(**({"pickup_location_id": [132], "pickup_ts": [HOUR]} | columns))
    assert isinstance(found, tuple)
    assert found[0] == reason


def test_other_columns_are_left_out() -> None:
    ((zone, fields),) = records(pickup_location_id=[132], pickup_ts=[HOUR], rides=[7])
    assert zone == 132
    assert fields == {
        "run_id": "id",
        "model": "mine",
        "pickup_location_id": 132,
        "pickup_ts": HOUR,
        "predicted_demand": 2.5,
    }
