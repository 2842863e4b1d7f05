"""The lines made of arrays are those that the codec makes of events, byte for byte."""

import math

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from rushhour.core.codec import prediction_codec, rides_codec
from rushhour.core.events import EARLIEST_MS, LATEST_MS
from rushhour.core.forecast import Forecast
from rushhour.core.hours import HOUR_MS
from rushhour.core.zone_lines import ZoneLines
from rushhour.core.zones import ZONE_COUNT
from tests.fixtures.zone_events import prediction_events, rides_events

hours = st.integers(EARLIEST_MS // HOUR_MS, LATEST_MS // HOUR_MS - 1).map(lambda i: i * HOUR_MS)
names = st.text(min_size=1, max_size=8)
# Of every size, whole numbers, and those that are written with an exponent.
demands = st.floats(0, 1e300) | st.integers(0, 10**17).map(float) | st.sampled_from([0.0, 1e-7])
unknown = demands | st.just(math.nan)


def column(values: st.SearchStrategy[float]) -> st.SearchStrategy[np.ndarray]:
    some = st.lists(values, min_size=1, max_size=9)
    return some.map(lambda few: np.resize(np.array(few, np.float64), ZONE_COUNT))


@given(st.text(), hours, st.lists(st.integers(0, 2**62), min_size=1, max_size=9))
def test_rides(run_id: str, hour_ts: int, few: list[int]) -> None:
    rides = np.resize(np.array(few, np.int64), ZONE_COUNT)
    encode = rides_codec(run_id).encode
    expected = [encode(event) for event in rides_events(hour_ts, rides)]
    assert ZoneLines(run_id).rides(hour_ts, rides) == expected


@given(
    st.text(),
    hours,
    names,
    st.tuples(column(demands), column(demands)),
    st.dictionaries(names, column(unknown), max_size=4),
    st.dictionaries(st.integers(2, 168), column(demands), max_size=3),
)
def test_predictions(
    run_id: str,
    hour_ts: int,
    name: str,
    predicted: tuple[np.ndarray, np.ndarray],
    others: dict[str, np.ndarray],
    further: dict[int, np.ndarray],
) -> None:
    others.pop(name, None)
    mean, served = predicted
    by_model = {name: served} | others
    ahead = {
        horizon: Forecast(hour_ts, {name: median}, mean, np.floor(median), np.ceil(median))
        for horizon, median in further.items()
    }
    forecast = Forecast(hour_ts, by_model, mean, np.floor(served), np.ceil(served), ahead)
    encode = prediction_codec(run_id).encode
    expected = [encode(event) for event in prediction_events(forecast)]
    assert ZoneLines(run_id).predictions(forecast) == expected
