"""Numbers of tables that are read as one text each."""

import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rushhour.storage.table_texts import from_text, rows_from_text

numbers = st.floats(allow_nan=False).map(str) | st.integers().map(str) | st.just("nan")


@given(st.lists(numbers, min_size=1))
def test_a_column_is_that_of_its_numbers_one_by_one(texts: list[str]) -> None:
    np.testing.assert_array_equal(from_text(" ".join(texts)), np.array(list(map(float, texts))))


@given(st.lists(st.tuples(numbers, numbers, numbers), min_size=1))
def test_rows_are_those_of_their_numbers_one_by_one(rows: list[tuple[str, str, str]]) -> None:
    text = " ".join(map(",".join, rows))
    expected = [list(map(float, row)) for row in rows]
    np.testing.assert_array_equal(rows_from_text(text, 3), np.array(expected))


@pytest.mark.parametrize("value", ["many", "1.0,2.0", "null", "true", "[1]", '"1"', "", "nano"])
def test_a_value_that_is_no_number_is_an_error_that_names_it(value: str) -> None:
    with pytest.raises(ValueError, match=re.escape(repr(value))):
        from_text(f"3.0 {value} 0.25")


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        ("1.0,2.0 3.0", "3.0"),
        ("1.0,2.0 3.0,4.0,5.0", "3.0,4.0,5.0"),
        ("nan,1.0 ,", ""),
        ("1,2 x,3", "x"),
        ("1,2 null", "null"),
        ("1,2 null,3", "null"),
    ],
)
def test_a_row_that_is_not_as_many_numbers_is_an_error_that_names_it(text: str, wrong: str) -> None:
    with pytest.raises(ValueError, match=re.escape(repr(wrong))):
        rows_from_text(text, 2)
