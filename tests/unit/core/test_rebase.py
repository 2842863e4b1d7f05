from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rushhour.core.errors import UsageError
from rushhour.core.hours import HOUR_MS, WEEK_MS, hour_of_week, parse_month, to_datetime, to_ts
from rushhour.core.rebase import check_rebase, shift_weeks

days = st.dates(date(2009, 1, 1), date(2098, 12, 31))
hours = st.integers(parse_month("2009-01")[0] // HOUR_MS, parse_month("2098-12")[0] // HOUR_MS)


def monday(day: date) -> date:
    return day - timedelta(days=day.weekday())


@given(hours, days)
def test_a_run_begins_in_the_week_of_the_date_at_its_hour_of_the_week(hour: int, day: date) -> None:
    start_ts = hour * HOUR_MS
    shifted = start_ts + shift_weeks(start_ts, day.isoformat(), 0) * WEEK_MS
    assert hour_of_week(shifted) == hour_of_week(start_ts)
    assert monday(to_datetime(shifted).date()) == monday(day)


@given(hours, st.datetimes(datetime(2009, 1, 1), datetime(2098, 12, 31)))  # noqa: DTZ001
def test_now_is_the_date_of_the_wall_clock(hour: int, moment: datetime) -> None:
    start_ts, now = hour * HOUR_MS, moment.replace(tzinfo=UTC)
    of_date = shift_weeks(start_ts, moment.date().isoformat(), 0)
    assert shift_weeks(start_ts, "now", to_ts(now)) == of_date


def test_nothing_asked_for_shifts_nothing() -> None:
    assert shift_weeks(parse_month("2024-10")[0], "", 0) == 0


@pytest.mark.parametrize("text", ["", "today", "2026-13-01", "2026-11", "2026-11-30 05:00", "1h"])
def test_what_is_no_date_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="is neither now nor a date: write it as 2026-11-30"):
        check_rebase(text)


@pytest.mark.parametrize("text", ["2008-12-31", "2099-01-01"])
def test_a_date_outside_of_event_time_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="use a date from 2009-01 to 2098-12"):
        check_rebase(text)
