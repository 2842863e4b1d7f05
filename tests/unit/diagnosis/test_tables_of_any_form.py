"""What else may be wrong with the two tables, and what makes no difference."""

import pandas as pd
import pytest

from rushhour.simulator.diagnosis.diagnose import Diagnosis, diagnose
from tests.fixtures.planted_causes import Frame, arrow, healthy


def examine(mine: Frame, theirs: Frame) -> Diagnosis:
    return diagnose(arrow(mine), arrow(theirs))


def causes(found: Diagnosis) -> list[str]:
    return [each.cause for each in found.findings]


@pytest.mark.parametrize(
    ("column", "summary", "cure"),
    [
        ("pickup_location_id", "have no column pickup_location_id", "add pickup_location_id"),
        ("predicted_demand", "have no column predicted_demand", "add predicted_demand"),
    ],
)
def test_a_missing_column_is_named(column: str, summary: str, cure: str) -> None:
    mine, theirs = healthy()
    (finding,) = examine(mine.drop(columns=column), theirs).findings
    assert (finding.cause, finding.is_certain) == ("columns", False)
    assert summary in finding.summary
    assert finding.cure.startswith(cure)


def test_a_missing_time_is_named() -> None:
    mine, theirs = healthy()
    mine = mine.drop(columns=["pickup_hour", "pickup_ts"])
    (finding,) = examine(mine.assign(hour=7), theirs).findings
    assert finding.summary == "the predictions have no column pickup_hour or pickup_ts"
    assert finding.cure == "if it is 'hour', rename it to pickup_hour"


def test_a_column_of_another_name_is_suggested() -> None:
    mine, theirs = healthy()
    (finding,) = examine(mine.rename(columns={"predicted_demand": "yhat"}), theirs).findings
    assert finding.cure == "if it is 'yhat', rename it to predicted_demand"


def test_files_that_are_exchanged_are_noticed() -> None:
    mine, theirs = healthy()
    (finding,) = examine(theirs, mine).findings
    assert "the wrong way round" in finding.summary


def test_the_two_times_of_a_row_may_disagree() -> None:
    mine, theirs = healthy()
    some = mine.head(3).assign(pickup_ts=mine["pickup_ts"].shift(-1).head(3).astype("int64"))
    found = examine(some, theirs)
    assert causes(found) == ["disagreement"]
    assert found.findings[0].rows == 3


def test_one_time_is_made_from_the_other() -> None:
    mine, theirs = healthy()
    found = examine(mine.drop(columns="pickup_hour"), theirs.drop(columns="pickup_ts"))
    assert causes(found) == ["columns", "time_type"]
    assert found.joined_mended == len(mine)


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (lambda t: t.assign(pickup_ts=t["pickup_ts"] // 1000), ["epoch_unit"]),
        (lambda t: t.assign(pickup_hour=t["pickup_hour"].dt.tz_localize(None)), ["time_zone"]),
        (lambda t: t.assign(pickup_hour=t["pickup_hour"].astype(str)), ["time_type"]),
        (
            lambda t: t.assign(pickup_location_id=t["pickup_location_id"].astype(str)),
            ["zone_type"],
        ),
    ],
)
def test_predictions_take_the_form_of_the_actual_rides(change, expected) -> None:  # type: ignore[no-untyped-def]
    mine, theirs = healthy()
    found = examine(mine, change(theirs))
    assert causes(found) == expected
    assert found.joined_mended == len(mine)
    assert examine(change(mine), change(theirs)).is_healthy


def test_timestamps_of_1970_tell_the_unit_that_they_were_made_from() -> None:
    mine, theirs = healthy()
    wrong = mine.assign(pickup_hour=pd.to_datetime(mine["pickup_ts"], utc=True))
    found = examine(wrong, theirs)
    assert causes(found) == ["epoch_unit"]
    assert "lies in 1970: milliseconds since 1970 were read as nanoseconds" in (
        found.findings[0].summary
    )
    assert found.joined_mended == len(mine)


def test_without_any_prediction_nothing_is_wrong() -> None:
    mine, theirs = healthy()
    assert examine(mine.head(0), theirs).findings == ()


def test_rides_that_occur_twice_are_counted_on_their_side() -> None:
    mine, theirs = healthy()
    (finding,) = examine(mine, pd.concat([theirs, theirs.head(2)])).findings
    assert (finding.cause, finding.side, finding.rows) == ("duplicates", "actuals", 2)
