from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rushhour.core.errors import UsageError
from rushhour.core.hours import HOUR_MS
from rushhour.core.surges import Surge, format_surges, parse_surges

OCT_20 = 1_729_382_400_000  # 2024-10-20 00:00

factors = st.decimals(0, 100, places=6)
hours = st.integers(0, 70_000_000).map(lambda hour: hour * HOUR_MS)  # to the year 9955
surges = st.builds(Surge, st.integers(1, 265), factors, hours)


@given(surges)
def test_a_surge_is_parsed_back_from_its_text(surge: Surge) -> None:
    assert Surge.parse(str(surge)) == surge


@given(st.lists(surges, unique_by=lambda surge: surge.zone))
def test_several_are_parsed_back_sorted_by_zone(several: list[Surge]) -> None:
    ordered = tuple(sorted(several, key=lambda surge: surge.zone))
    assert parse_surges(format_surges(tuple(several))) == ordered


@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        ("", ""),
        ("  ", ""),
        ("132:2.0@2024-10-20", "132:2@2024-10-20 00:00"),
        ("132:2@2024-10-20T00", "132:2@2024-10-20 00:00"),
        (" 132:002.500@2024-10-20 05:00 ", "132:2.5@2024-10-20 05:00"),
        ("1:0@2024-10-20", "1:0@2024-10-20 00:00"),
        ("1:0.00@2024-10-20", "1:0@2024-10-20 00:00"),
        ("265:100@2024-10-20", "265:100@2024-10-20 00:00"),
        ("1:0.000001@2024-10-20", "1:0.000001@2024-10-20 00:00"),
        ("1:1@1970-01-01", "1:1@1970-01-01 00:00"),
        ("1:1@9999-12-31 23:00", "1:1@9999-12-31 23:00"),
        (
            "132:2.0@2024-10-20,79:0.5@2024-10-25 18:00",
            "79:0.5@2024-10-25 18:00,132:2@2024-10-20 00:00",
        ),
    ],
)
def test_equal_surges_have_equal_texts(text: str, canonical: str) -> None:
    found = parse_surges(text)
    assert format_surges(found) == canonical
    assert parse_surges(canonical) == found


def test_factors_are_decimal_numbers() -> None:
    (surge,) = parse_surges("132:1.1@2024-10-20")
    assert surge == Surge(132, Decimal(11) / 10, OCT_20)
    assert surge.factor.as_integer_ratio() == (11, 10)


def test_a_surge_has_a_label() -> None:
    assert Surge(132, Decimal("2.50"), OCT_20).label == "zone 132 x 2.5 from 2024-10-20 00:00"
    assert Surge(1, Decimal(100), OCT_20).label == "zone 1 x 100 from 2024-10-20 00:00"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("132", "zone:factor@hour, such as 132:2.0@2024-10-20"),
        ("132:2", "zone:factor@hour"),
        ("132@2024-10-20", "zone:factor@hour"),
        ("132:2@", "zone:factor@hour"),
        (":2@2024-10-20", "zone:factor@hour"),
        ("JFK:2@2024-10-20", "zone:factor@hour"),
        ("132:-1@2024-10-20", "zone:factor@hour"),
        ("132:nan@2024-10-20", "zone:factor@hour"),
        ("132:inf@2024-10-20", "zone:factor@hour"),
        ("132:1e2@2024-10-20", "zone:factor@hour"),
        ("132:٢@2024-10-20", "zone:factor@hour"),
        ("132:1.0000001@2024-10-20", "at most 6 decimals"),
        ("132:2@2024-10-20,", "'' is not a surge"),
        ("132:2@2024-10-20 79:2@2024-10-20", "is not an hour"),
        ("0:2@2024-10-20", "zone 0 does not exist: zones are 1 to 265"),
        ("266:2@2024-10-20", "zone 266 does not exist"),
        ("132:100.1@2024-10-20", "factor 100.1 is too large: use 0 to 100"),
        ("132:2@soon", "surge '132:2@soon': 'soon' is not an hour"),
        ("132:2@2024-10-20 05:30", "not the start of an hour"),
        ("132:2@1969-12-31", "the years 1970 to 9999"),
        ("132:2@9999-12-31T23-01:00", "the years 1970 to 9999"),
        ("132:2@2024-10-20,132:3@2024-10-25", "zone 132 twice"),
        ("132:2@2024-10-20,132:2@2024-10-20", "zone 132 twice"),
    ],
)
def test_an_invalid_surge_is_one_line_of_what_is_expected(text: str, expected: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse_surges(text)
    message = str(caught.value)
    assert message.startswith("surge '")
    assert expected in message
    assert "\n" not in message
    assert caught.value.exit_code == 2
