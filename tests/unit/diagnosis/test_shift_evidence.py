"""A shift is named if the data shows it, and never for a model that repeats what it has seen."""

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rushhour.simulator.diagnosis.diagnose import Diagnosis, diagnose
from rushhour.simulator.diagnosis.finding import Finding
from tests.fixtures.planted_causes import Frame, arrow, epoch_ms, healthy, rides_table

REPEATING: dict[str, Callable[[Frame], Frame]] = {
    "hour before": lambda rides: rides.shift(1),
    "part of it": lambda rides: 0.9 * rides.shift(1) + 2,
    "mean of 2": lambda rides: rides.shift(1).rolling(2).mean(),
    "mean of 3": lambda rides: rides.shift(1).rolling(3).mean(),
    "mean of 8": lambda rides: rides.shift(1).rolling(8).mean(),
    "smoothed": lambda rides: rides.shift(1).ewm(alpha=0.5).mean(),
    "day before": lambda rides: rides.shift(24),
    "both": lambda rides: 0.5 * rides.shift(1) + 0.5 * rides.shift(24),
}


def shifts(found: Diagnosis) -> list[Finding]:
    return [each for each in found.findings if each.cause == "shift"]


@pytest.mark.parametrize("name", REPEATING)
@pytest.mark.parametrize("with_next", [True, False])
def test_a_model_that_repeats_earlier_hours_is_not_shifted(name: str, with_next: bool) -> None:
    rides = rides_table(days=8)
    wide = rides.pivot_table(index="pickup_hour", columns="pickup_location_id", values="rides")
    if with_next:
        wide.loc[wide.index[-1] + pd.Timedelta(hours=1)] = np.nan
    model = REPEATING[name](wide.astype(float))
    mine = model.reset_index().melt("pickup_hour", value_name="predicted_demand").dropna()
    found = diagnose(arrow(mine), arrow(rides))
    assert shifts(found) == [], [each.summary for each in found.findings]


def shift_by(hours: int, days: int = 4) -> Diagnosis:
    rides = rides_table(days)
    mine = rides[["pickup_location_id"]].assign(
        pickup_hour=rides["pickup_hour"] + pd.Timedelta(hours=hours),
        predicted_demand=rides["mean"],
    )
    return diagnose(arrow(mine), arrow(rides))


def test_the_end_of_the_hour_without_errors_is_named_and_not_mended() -> None:
    found = shift_by(1)
    shift, beyond = found.findings
    assert (shift.cause, shift.is_certain, found.mended) == ("shift", False, None)
    assert "seems 1 hour late (end of the hour for its start)" in shift.summary
    assert (beyond.cause, beyond.rows) == ("beyond_last_hour", 3)


@pytest.mark.parametrize("hours", [-12, -5, -4, -3, -2, -1, 4, 5])
def test_the_fit_tells_how_many_hours(hours: int) -> None:
    (shift,) = shift_by(hours).findings
    way = "late" if hours > 0 else "early"
    assert f"{abs(hours)} hour{'' if abs(hours) == 1 else 's'} {way}" in shift.summary
    assert "mean absolute error" in shift.summary


def test_less_than_a_day_says_nothing() -> None:
    rides = rides_table()
    some = rides[rides["pickup_hour"].between("2024-10-02 00:00Z", "2024-10-02 22:00Z")]
    mine = some[["pickup_location_id"]].assign(
        pickup_hour=some["pickup_hour"] + pd.Timedelta(hours=4), predicted_demand=some["mean"]
    )
    assert diagnose(arrow(mine), arrow(rides)).is_healthy


def test_joins_tell_where_the_rides_have_gaps() -> None:
    draw = np.random.default_rng(3)
    rides = rides_table()
    seen = rides[draw.random(len(rides)) < 0.5]
    mine = seen[["pickup_location_id"]].assign(
        pickup_hour=seen["pickup_hour"] + pd.Timedelta(hours=2), predicted_demand=1.0
    )
    found = diagnose(arrow(mine), arrow(seen))
    (shift,) = found.findings
    assert "2 hours late" in shift.summary
    assert "of the rows then join" in shift.summary
    assert found.joined_mended == len(mine)


def test_new_yorks_clock_is_told_when_it_changes() -> None:
    rides = rides_table(days=40)  # until 9 November: it changes on the 3rd
    clock = rides["pickup_hour"].dt.tz_convert("America/New_York").dt.tz_localize(None)
    mine = rides[["pickup_location_id"]].assign(
        pickup_hour=clock.dt.tz_localize("UTC"), predicted_demand=rides["mean"]
    )
    twice = clock.duplicated(keep=False) & (clock.dt.date == pd.Timestamp("2024-11-03").date())
    mine = mine[~(twice & (clock.dt.hour == 1)).to_numpy()]
    found = diagnose(arrow(mine), arrow(rides))
    (shift,) = found.findings
    assert "4 or 5 hours early as New York's clock changes" in shift.summary
    assert found.joined_mended == len(mine)


def test_a_column_of_rides_is_no_evidence() -> None:
    """It may be a feature: the rides of the hour before."""
    mine, theirs = healthy()
    before = theirs.groupby("pickup_location_id")["rides"].shift(1)
    found = diagnose(arrow(mine.assign(rides=before)), arrow(theirs))
    assert found.is_healthy, [each.summary for each in found.findings]


@given(st.data())
def test_tables_that_join_give_no_finding(data: st.DataObject) -> None:
    """Whatever was predicted, in any order, by any of the two times, in any resolution."""
    hours = data.draw(st.integers(1, 80), label="hours")
    zones = data.draw(st.lists(st.integers(1, 265), min_size=1, max_size=4, unique=True))
    seed = data.draw(st.integers(0, 1_000), label="seed")
    unit = data.draw(st.sampled_from(["s", "ms", "us", "ns"]))
    zone = data.draw(st.sampled_from(["UTC", "America/New_York", "Asia/Kolkata"]))
    columns = data.draw(
        st.sampled_from([["pickup_hour"], ["pickup_ts"], ["pickup_ts", "pickup_hour"]])
    )
    ids = data.draw(st.sampled_from(["int16", "int32", "int64", "uint16", "category"]))
    draw = np.random.default_rng(seed)
    moments = pd.date_range("2024-10-25", periods=hours, freq="h", tz="UTC")
    theirs = Frame(
        {
            "pickup_hour": np.repeat(moments, len(zones)),
            "pickup_location_id": np.tile(zones, hours),
            "rides": draw.poisson(3, hours * len(zones)),
        }
    )
    theirs["pickup_ts"] = epoch_ms(theirs["pickup_hour"])
    mine = theirs.sample(frac=draw.uniform(0.3, 1), random_state=seed)
    mine = mine.astype({"pickup_hour": f"datetime64[{unit}, {zone}]", "pickup_location_id": ids})
    mine = mine.assign(predicted_demand=draw.gamma(2, 3, len(mine)))
    if len(mine):
        found = diagnose(
            arrow(mine[[*columns, "pickup_location_id", "predicted_demand"]]), arrow(theirs)
        )
        assert found.is_healthy, [each.summary for each in found.findings]
