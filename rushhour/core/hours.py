"""Event time: epoch milliseconds, and whole hours, each identified by its first instant.

TLC files hold New York wall-clock times without a time zone. rushhour keeps the wall-clock
times and labels them UTC, once, where the file is read (`producers.month.trips`).
"""

import re
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta

from rushhour.core.errors import UsageError
from rushhour.core.foreign import shown

SECOND_MS = 1_000
MINUTE_MS = 60 * SECOND_MS
HOUR_MS = 60 * MINUTE_MS
DAY_MS = 24 * HOUR_MS
WEEK_MS = 7 * DAY_MS
HOURS_PER_DAY = 24
HOURS_PER_WEEK = 7 * HOURS_PER_DAY

# The first month of the TLC trip records, and a bound that catches mistyped years.
FIRST_MONTH = "2009-01"
LAST_MONTH = "2098-12"
MOST_MONTHS = 60  # that are replayed in a row: `rushhour verify` takes five years

_LABEL = "%Y-%m-%dT%H"
_LENGTH = re.compile(r"(\d{1,9}(?:\.\d{1,9})?)\s*(|s|m|h)", re.ASCII)
_UNITS_S = {"": 1, "s": 1, "m": 60, "h": 3_600}
_SHORTEST_S, _LONGEST_S = 0.001, 7 * 86_400.0
_MONTH = re.compile(r"\d{4}-\d{2}", re.ASCII)
_TO = ".."  # between the first and the last of several months


def floor_hour(ts: int) -> int:
    """Return the start of the hour that contains `ts` (both epoch milliseconds)."""
    return ts - ts % HOUR_MS


def to_datetime(ts: int) -> datetime:
    """Return epoch milliseconds as an aware UTC datetime."""
    return datetime.fromtimestamp(ts / SECOND_MS, UTC)


def to_ts(moment: datetime) -> int:
    """Return an aware datetime as epoch milliseconds."""
    return round(moment.timestamp() * SECOND_MS)


def hour_label(ts: int) -> str:
    """Format an hour as in Redis keys.

    >>> hour_label(1_727_910_000_000)
    '2024-10-02T23'
    """
    return to_datetime(ts).strftime(_LABEL)


def parse_label(label: str) -> int:
    """Parse a label of `hour_label` to epoch milliseconds."""
    return to_ts(datetime.strptime(label, _LABEL).replace(tzinfo=UTC))


def clock_label(ts: int) -> str:
    """Format an instant for display.

    >>> clock_label(1_727_910_000_000)
    '2024-10-02 23:00'
    """
    return to_datetime(ts).strftime("%Y-%m-%d %H:%M")


def weekday_label(ts: int) -> str:
    """Format an instant for display with its day of the week.

    >>> weekday_label(1_727_910_000_000)
    'Wednesday, 2024-10-02 23:00'
    """
    return f"{to_datetime(ts):%A}, {clock_label(ts)}"


def hour_of_week(ts: int) -> int:
    """Return 0 for Monday 00:00 to 167 for Sunday 23:00.

    >>> hour_of_week(1_727_740_800_000)  # Tuesday 2024-10-01 00:00
    24
    """
    moment = to_datetime(ts)
    return moment.weekday() * HOURS_PER_DAY + moment.hour


def parse_from(text: str) -> int:
    """Parse the first hour of a window: '2024-10-02', '2024-10-02 23:00' or '2024-10-02T23'.

    >>> hour_label(parse_from("2024-10-02 23:00"))
    '2024-10-02T23'
    """
    return _parse_hour(text)


def parse_until(text: str) -> int:
    """Parse the last hour of a window, included. A date alone means the last hour of that day.

    >>> hour_label(parse_until("2024-10-30"))
    '2024-10-30T23'
    """
    hour = _parse_hour(text)
    return hour + (HOURS_PER_DAY - 1) * HOUR_MS if _is_date(text) else hour


def parse_month(text: str) -> tuple[int, int]:
    """Return the first instant of a month and of the month after it.

    >>> [hour_label(ts) for ts in parse_month("2024-10")]
    ['2024-10-01T00', '2024-11-01T00']

    Raises
    ------
    UsageError
        If the text is not a month, or lies outside of `FIRST_MONTH` to `LAST_MONTH`.
    """
    try:
        if not _MONTH.fullmatch(text):
            raise ValueError(text)
        first = datetime.strptime(text, "%Y-%m").replace(tzinfo=UTC)
    except ValueError:
        raise UsageError(f"month '{text}' is not a month: write it as 2024-10") from None
    if not FIRST_MONTH <= text <= LAST_MONTH:
        raise UsageError(
            f"month '{text}' is out of range: TLC trip records begin in {FIRST_MONTH}; "
            f"use a month from {FIRST_MONTH} to {LAST_MONTH}"
        )
    after = (first + timedelta(days=32)).replace(day=1)
    return to_ts(first), to_ts(after)


def parse_months(text: str) -> tuple[str, ...]:
    """Parse a month, or the first and the last of several in a row, to all of them in order.

    >>> parse_months("2023-11..2024-02")
    ('2023-11', '2023-12', '2024-01', '2024-02')
    >>> parse_months("2024-10..2024-10") == parse_months("2024-10")
    True

    Raises
    ------
    UsageError
        If the text has another form, a month is invalid, the last is before the first, or they are
        more than `MOST_MONTHS`.
    """
    first, separator, last = text.partition(_TO)
    if not separator:
        last = first
    elif not (_MONTH.fullmatch(first) and _MONTH.fullmatch(last)):
        raise UsageError(
            f"month '{text}' is not a month, nor several in a row: write them as 2024-10, or "
            "2024-08..2024-10"
        )
    (_, next_ts), (_, end_ts) = parse_month(first), parse_month(last)
    if first > last:
        raise UsageError(
            f"month '{text}' ends before it begins: write the earlier month first, "
            f"as {last}{_TO}{first}"
        )
    months = [first]
    while next_ts < end_ts:
        months.append(to_datetime(next_ts).strftime("%Y-%m"))
        _, next_ts = parse_month(months[-1])
    if len(months) > MOST_MONTHS:
        raise UsageError(
            f"month '{text}' means {len(months)} months: use at most {MOST_MONTHS} in a row"
        )
    return tuple(months)


def format_months(months: Sequence[str]) -> str:
    """Format months in a row as `parse_months` accepts them.

    >>> format_months(["2024-10"]), format_months(["2024-08", "2024-09", "2024-10"])
    ('2024-10', '2024-08..2024-10')
    """
    return months[0] if len(months) == 1 else f"{months[0]}{_TO}{months[-1]}"


def months_span(months: Sequence[str]) -> tuple[int, int]:
    """Return the first instant of months in a row and of the month after them (epoch ms).

    >>> [hour_label(ts) for ts in months_span(parse_months("2023-12..2024-01"))]
    ['2023-12-01T00', '2024-02-01T00']
    """
    (start_ts, _), (_, end_ts) = parse_month(months[0]), parse_month(months[-1])
    return start_ts, end_ts


def parse_seconds(text: str) -> float:
    """Parse a length of wall time, '60s', '5m' or '1h', to seconds; a number alone is seconds.

    >>> parse_seconds("60s"), parse_seconds("1.5m"), parse_seconds("90")
    (60.0, 90.0, 90.0)

    Raises
    ------
    UsageError
        If the text is not a length of time, or one that is not from a millisecond to a week.
    """
    match = _LENGTH.fullmatch(text.strip().lower())
    seconds = float(match[1]) * _UNITS_S[match[2]] if match else 0.0
    if not _SHORTEST_S <= seconds <= _LONGEST_S:
        raise UsageError(
            f"'{shown(text)}' is not a time from 1 ms to 7 days: write it as 60s, 5m or 1h"
        )
    return seconds


def _is_date(text: str) -> bool:
    try:
        date.fromisoformat(text.strip())
    except ValueError:
        return False
    return True


def _parse_hour(text: str) -> int:
    try:
        moment = datetime.fromisoformat(text.strip())
    except ValueError:
        raise UsageError(
            f"'{text}' is not an hour: write it as 2024-10-02 or '2024-10-02 23:00'"
        ) from None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    ts = to_ts(moment)
    if ts % HOUR_MS:
        raise UsageError(f"'{text}' is not the start of an hour: write minutes and seconds as 00")
    return ts
