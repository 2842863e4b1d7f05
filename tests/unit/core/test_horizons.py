import pytest
from hypothesis import given
from hypothesis import strategies as st

from rushhour.core.errors import UsageError
from rushhour.core.horizons import LONGEST, format_horizons, parse_horizons


@pytest.mark.parametrize("text", ["", "0", "169", "-2", "1.5", "1,,2", "two", "²"])
def test_what_is_no_number_of_hours_is_refused_in_one_line(text: str) -> None:
    with pytest.raises(UsageError, match="is no number of hours from 1 to 168: write") as refused:
        parse_horizons(text)
    assert "\n" not in str(refused.value)


def test_a_horizon_is_named_once() -> None:
    with pytest.raises(UsageError, match="'1,6,6' has 6 twice"):
        parse_horizons("1,6,6")


@given(st.sets(st.integers(1, LONGEST), min_size=1))
def test_horizons_are_read_as_they_are_written(horizons: set[int]) -> None:
    found = parse_horizons(",".join(map(str, horizons)))
    assert found == tuple(sorted({1} | horizons))
    assert parse_horizons(format_horizons(found)) == found
