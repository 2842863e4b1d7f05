"""Trips and ticks as columns: they keep their order and their offsets, however they were read."""

from collections.abc import Sequence

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from dataflows.trip_batch import TripBatch
from rushhour.core.events import Tick, Trip, TripEvent
from rushhour.core.trip_columns import TripColumns

OCTOBER = 1_727_740_800_000  # 2024-10-01 00:00

trips = st.builds(Trip, st.integers(0, 9), st.just(OCTOBER), st.integers(1, 265))
ticks = st.builds(Tick, st.just(OCTOBER), st.integers(0, 9), st.just("0123456789abcdef"))
# Each record of a batch: an event or none, and whether it is read as columns if it is a trip.
records = st.lists(st.tuples(st.one_of(trips, trips, ticks, st.none()), st.booleans()), max_size=9)


def columns_of(trips: Sequence[tuple[int, Trip]]) -> TripColumns:
    rows = [(i, trip.seq, trip.pickup_ts, trip.pickup_location_id) for i, trip in trips]
    return TripColumns(*np.array(rows, np.int64).reshape(-1, 4).T)


@given(records)
def test_events_keep_their_order_however_they_were_read(
    drawn: list[tuple[TripEvent | None, bool]],
) -> None:
    offsets = [10 + 3 * i for i in range(len(drawn))]
    as_columns = [
        (i, event)
        for i, (event, columns) in enumerate(drawn)
        if isinstance(event, Trip) and columns
    ]
    places = {i for i, _ in as_columns}
    others = [(i, event) for i, (event, _) in enumerate(drawn) if event and i not in places]
    batch = TripBatch.merged(3, columns_of(as_columns), others, offsets)
    events = [(offsets[i], event) for i, (event, _) in enumerate(drawn) if event is not None]
    assert list(batch.events()) == events
    assert list(TripBatch.of(3, [e for _, e in events], [o for o, _ in events]).events()) == events
    assert [batch.offset_of_trip(i) for i in range(len(batch.seq))] == [
        offset for offset, event in events if isinstance(event, Trip)
    ]
    assert [batch.offset_of_tick(i) for i in range(len(batch.ticks))] == [
        offset for offset, event in events if isinstance(event, Tick)
    ]
