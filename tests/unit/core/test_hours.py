from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rushhour.core.errors import UsageError
from rushhour.core.hours import (
    DAY_MS,
    HOUR_MS,
    MOST_MONTHS,
    clock_label,
    floor_hour,
    format_months,
    hour_label,
    hour_of_week,
    months_span,
    parse_from,
    parse_label,
    parse_month,
    parse_months,
    parse_until,
    to_datetime,
    to_ts,
)

instants = st.integers(1_230_768_000_000, 4_102_444_799_999)
hours = instants.map(lambda ts: ts // HOUR_MS * HOUR_MS)


def ts_of(text: str) -> int:
    return to_ts(datetime.fromisoformat(text).replace(tzinfo=UTC))


@given(instants)
def test_an_hour_holds_its_instants(ts: int) -> None:
    assert floor_hour(ts) <= ts < floor_hour(ts) + HOUR_MS
    assert floor_hour(ts) % HOUR_MS == 0
    moment = to_datetime(ts)
    assert to_datetime(floor_hour(ts)) == moment.replace(minute=0, second=0, microsecond=0)


def test_an_hour_begins_with_its_first_millisecond() -> None:
    hour = ts_of("2024-10-02 23:00")
    assert floor_hour(hour) == hour
    assert floor_hour(hour + HOUR_MS - 1) == hour
    assert floor_hour(hour - 1) == hour - HOUR_MS


@given(instants)
def test_a_datetime_is_the_same_instant(ts: int) -> None:
    assert to_ts(to_datetime(ts)) == ts
    assert to_datetime(ts).utcoffset() == timedelta(0)


@given(hours)
def test_a_label_names_one_hour(hour: int) -> None:
    assert parse_label(hour_label(hour)) == hour
    assert parse_from(hour_label(hour)) == hour
    assert parse_from(clock_label(hour)) == hour
    assert parse_until(hour_label(hour)) == hour


@given(instants, instants)
def test_labels_sort_by_time(a: int, b: int) -> None:
    assert (hour_label(a) < hour_label(b)) == (floor_hour(a) < floor_hour(b))


@given(instants)
def test_the_hour_of_the_week_counts_from_monday(ts: int) -> None:
    monday = ts_of("2024-10-07")
    assert hour_of_week(ts) == (floor_hour(ts) - monday) // HOUR_MS % 168


def test_the_week_ends_on_sunday_night() -> None:
    assert hour_of_week(ts_of("2024-10-07 00:00")) == 0
    assert hour_of_week(ts_of("2024-10-06 23:00")) == 167


@pytest.mark.parametrize(
    "text", ["2024-10-02", "2024-10-02 00:00", "2024-10-02T00", " 2024-10-02 ", "2024-10-02T00Z"]
)
def test_the_first_hour_has_several_forms(text: str) -> None:
    assert parse_from(text) == ts_of("2024-10-02")


def test_until_a_date_covers_the_whole_day() -> None:
    assert parse_until("2024-10-30") == ts_of("2024-10-30 23:00")
    assert parse_until(" 2024-10-30 ") == ts_of("2024-10-30 23:00")
    assert parse_until("2024-10-30 00:00") == ts_of("2024-10-30 00:00")
    assert parse_from("2024-10-30") == ts_of("2024-10-30 00:00")


def test_until_a_date_without_dashes_covers_the_whole_day() -> None:
    assert parse_until("20241030") == ts_of("2024-10-30 23:00")


@pytest.mark.parametrize("text", ["", "yesterday", "2024-10-32", "10/02/2024", "2024-10-02 25:00"])
def test_what_is_not_an_hour_is_refused(text: str) -> None:
    for parse in (parse_from, parse_until):
        with pytest.raises(UsageError, match="is not an hour: write it as 2024-10-02") as caught:
            parse(text)
        assert str(caught.value).startswith(f"'{text}'")


@pytest.mark.parametrize("text", ["2024-10-02 23:30", "2024-10-02 23:00:01", "2024-10-02T00+05:30"])
def test_an_instant_within_an_hour_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="is not the start of an hour"):
        parse_from(text)


@pytest.mark.parametrize(
    ("month", "days"), [("2024-10", 31), ("2024-02", 29), ("2023-02", 28), ("2024-12", 31)]
)
def test_a_month_ends_where_the_next_begins(month: str, days: int) -> None:
    start, end = parse_month(month)
    assert start == ts_of(f"{month}-01")
    assert end - start == days * DAY_MS


@pytest.mark.parametrize("text", ["", "2024", "2024-13", "2024-00", "10-2024", "2024-10-01", "Oct"])
def test_what_is_not_a_month_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match=f"month '{text}' is not a month: write it as 2024-10"):
        parse_month(text)


def test_a_month_out_of_range_is_refused() -> None:
    with pytest.raises(UsageError):
        parse_month("9999-12")


# It would be taken for a file name: yellow_tripdata_2024-1.parquet.
def test_a_month_of_one_digit_is_refused() -> None:
    with pytest.raises(UsageError):
        parse_month("2024-1")


# Several months in a row.


def test_months_in_a_row_begin_where_the_month_before_ends() -> None:
    months = parse_months("2023-12..2024-03")
    assert months == ("2023-12", "2024-01", "2024-02", "2024-03")
    spans = [parse_month(month) for month in months]
    assert all(end == start for (_, end), (start, _) in pairwise(spans))
    assert months_span(months) == (spans[0][0], spans[-1][1])
    assert (spans[2][1] - spans[2][0]) // DAY_MS == 29  # of a leap year


@given(st.integers(0, 12 * 80), st.integers(1, MOST_MONTHS))
def test_the_form_of_months_in_a_row_is_read_back(first: int, count: int) -> None:
    months = [
        f"{2009 + number // 12}-{1 + number % 12:02}" for number in range(first, first + count)
    ]
    assert list(parse_months(format_months(months))) == months


def test_one_month_is_that_month() -> None:
    assert format_months(parse_months("2024-10..2024-10")) == "2024-10"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("2024-10..2024-08", "ends before it begins: write the earlier month first, as 2024-08.."),
        ("2024-08..", "is not a month, nor several in a row"),
        ("..2024-08", "is not a month, nor several in a row"),
        ("2024-8..2024-10", "is not a month, nor several in a row"),
        ("2024-08...2024-10", "is not a month, nor several in a row"),
        ("2024-08..2024-09..2024-10", "is not a month, nor several in a row"),
        ("2024-08 .. 2024-10", "is not a month, nor several in a row"),
        ("2024-08,2024-10", "is not a month: write it as 2024-10"),
        ("2024-08..2024-13", "month '2024-13' is not a month: write it as 2024-10"),
        ("2008-11..2009-02", "month '2008-11' is out of range"),
        ("2019-11..2024-11", "means 61 months: use at most 60 in a row"),
    ],
)
def test_what_is_not_months_in_a_row_is_refused(text: str, message: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse_months(text)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)
