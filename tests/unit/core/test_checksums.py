"""Checksums: what they notice, and what they leave out."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rushhour.core.checksums import add, text, tick_checksum, total, trip_hashes
from rushhour.core.forecast import Forecast
from rushhour.core.hour_checksums import checksums, hour_hashes
from rushhour.core.zones import ZONE_COUNT

START = 1_727_740_800_000
Trips = list[tuple[int, int, int]]

trips = st.lists(
    st.tuples(st.integers(0, 2**62), st.integers(START, START + 2**32), st.integers(1, 265)),
    min_size=1,
    max_size=20,
    unique_by=lambda trip: trip[0],
)


def total_of(found: Trips) -> int:
    seq, ts, zone = (np.array(column, np.int64) for column in zip(*found, strict=True))
    return total(trip_hashes(seq, ts, zone.astype(np.int16)))


@given(trips, st.data())
def test_a_change_of_any_field_of_a_trip_is_noticed(found: Trips, data: st.DataObject) -> None:
    at = data.draw(st.integers(0, len(found) - 1))
    field, by = data.draw(st.sampled_from([0, 1, 2])), data.draw(st.sampled_from([-1, 1, 256]))
    changed = list(found[at])
    changed[field] += by
    other = [*found[:at], (changed[0], changed[1], changed[2]), *found[at + 1 :]]
    assert total_of(other) != total_of(found)


@given(trips)
def test_zones_that_change_places_are_noticed(found: Trips) -> None:
    zones = [trip[2] for trip in found[1:] + found[:1]]
    turned = [(seq, ts, zone) for (seq, ts, _), zone in zip(found, zones, strict=True)]
    assert (total_of(turned) == total_of(found)) == (turned == found)


@given(trips, st.data())
def test_totals_of_parts_add_up(found: Trips, data: st.DataObject) -> None:
    cut = data.draw(st.integers(1, len(found)))
    parts = [part for part in (found[:cut], found[cut:]) if part]
    assert add(total_of(parts[0]), total_of(parts[1]) if len(parts) > 1 else 0) == total_of(found)


def test_the_checksum_of_a_tick_depends_on_its_time() -> None:
    assert tick_checksum(7, START) != tick_checksum(7, START + 1)
    assert len(tick_checksum(2**64 - 1, START)) == 16


RIDES = np.arange(ZONE_COUNT, dtype=np.float64)
CHANGES = np.where(RIDES % 50 == 0, RIDES / 8, np.nan)
FIRST = RIDES < 100  # zones of one partition


def forecast(**changed: Any) -> Forecast:
    columns = {"served": RIDES + 0.5, "other": np.where(RIDES % 2, np.nan, 3.0)}
    ends = {"mean": RIDES + 0.75, "lower": RIDES + 0.0, "upper": RIDES + 1.0}
    columns |= {name: column for name, column in changed.items() if name not in ends}
    ends |= {name: column for name, column in changed.items() if name in ends}
    return Forecast(START, columns, ends["mean"], ends["lower"], ends["upper"])


def bumped(column: Any, zone: int) -> Any:
    out = np.array(column, np.float64)
    out[zone] = np.nan_to_num(out[zone]) + 0.0001
    return out


def sums(rides: Any = RIDES, made: Forecast | None = None, changes: Any = CHANGES) -> Any:
    return checksums(hour_hashes(rides, made or forecast(), changes), FIRST)


@pytest.mark.parametrize("zone", [0, 1, 99])
def test_each_checksum_is_of_its_own_part(zone: int) -> None:
    same = sums()
    rides = sums(rides=bumped(RIDES, zone))
    assert [a == b for a, b in zip(rides, same, strict=True)] == [False, True, True]
    alerts = sums(changes=bumped(CHANGES, zone))
    assert [a == b for a, b in zip(alerts, same, strict=True)] == [True, True, False]
    for name in ("served", "other", "mean", "lower", "upper"):
        base = forecast()
        column = base.by_model[name] if name in base.by_model else getattr(base, name)
        predictions = sums(made=forecast(**{name: bumped(column, zone)}))
        assert [a == b for a, b in zip(predictions, same, strict=True)] == [True, False, True]


def test_zones_of_other_partitions_do_not_count() -> None:
    assert sums(rides=bumped(RIDES, 100)) == sums()


def test_whole_numbers_and_floats_are_the_same() -> None:
    assert sums(rides=RIDES.astype(np.int64)) == sums()


def test_columns_that_change_places_are_noticed() -> None:
    swapped = forecast(lower=RIDES + 1.0, upper=RIDES + 0.0)
    assert sums(made=swapped)[1] != sums()[1]
    one, other = (
        Forecast(START, {name: RIDES + 0.5}, RIDES + 0.5, RIDES + 0.0, RIDES + 1.0)
        for name in ("x", "y")
    )
    assert sums(made=one)[1] != sums(made=other)[1]


def test_every_nan_is_the_same() -> None:
    other = CHANGES.copy()
    other[np.isnan(other)] = -np.nan
    assert sums(changes=other) == sums()


def test_a_checksum_is_sixteen_digits_of_64_bits() -> None:
    assert text(2**64 + 10) == "000000000000000a"
