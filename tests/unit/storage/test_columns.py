"""Columns as text: formatted at once, the same as one by one."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from rushhour.storage.columns import to_texts, to_values

NAN = float("nan")
figures = st.floats(-1e20, 1e20) | st.floats(-100, 100) | st.sampled_from([0.0, 3.0, NAN])


@given(st.lists(figures, min_size=1))
def test_the_texts_of_a_column_are_those_of_its_values(values: list[float]) -> None:
    column = np.array(values)
    assert to_texts(column) == [str(value) for value in to_values(column)]
