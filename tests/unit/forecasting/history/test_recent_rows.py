import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from dataflows.forecasting.history import recent_rows
from dataflows.forecasting.history.recent_rows import RecentRows


@given(limit=st.integers(1, 300), count=st.integers(0, 900))
def test_the_rows_are_the_last_ones_in_order(limit: int, count: int) -> None:
    recent, rows = RecentRows(limit, 2), np.arange(2.0 * count).reshape(count, 2)
    for i, row in enumerate(rows):
        recent.append(row)
        if i % recent_rows._SPARE < 2 or i == count - 1:
            assert np.array_equal(recent.rows, rows[: i + 1][-limit:])
    assert len(recent.rows) == min(count, limit)
