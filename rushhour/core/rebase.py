"""By how many weeks the times of a run are later than those of its trips: `--rebase`.

Whole weeks only: times are New York wall-clock times labelled UTC, and so the hours of the week and
the change to or from summer time stay where the trip file has them.
"""

from datetime import UTC, date, datetime

from rushhour.core.errors import UsageError
from rushhour.core.foreign import shown
from rushhour.core.hours import FIRST_MONTH, LAST_MONTH, WEEK_MS, to_datetime

NOW = "now"


def check_rebase(text: str) -> str:
    """Return what is asked for, `now` or a date as 2026-11-30, in its normal form.

    >>> check_rebase("NOW"), check_rebase(" 2026-11-30 ")
    ('now', '2026-11-30')

    Raises
    ------
    UsageError
        If the text is neither, or the date is outside of the years of event time.
    """
    wanted = text.strip().lower()
    if wanted == NOW:
        return NOW
    try:
        day = date.fromisoformat(wanted)
    except ValueError:
        raise UsageError(
            f"rebase '{shown(text)}' is neither {NOW} nor a date: write it as 2026-11-30"
        ) from None
    if not FIRST_MONTH <= f"{day:%Y-%m}" <= LAST_MONTH:
        raise UsageError(
            f"rebase '{shown(text)}' is out of range: use a date from {FIRST_MONTH} to {LAST_MONTH}"
        )
    return day.isoformat()


def shift_weeks(start_ts: int, rebase: str, now_ts: int) -> int:
    """Return the weeks, Monday to Sunday, from that of `start_ts` to that of a date; may be < 0.

    Parameters
    ----------
    start_ts
        The first hour of the run in its trip file (epoch ms).
    rebase
        As `check_rebase` returns it; empty for no shift.
    now_ts
        Wall time (epoch ms), whose date in UTC is `now`.

    Examples
    --------
    >>> october = 1_727_740_800_000  # Tuesday 2024-10-01
    >>> weeks = shift_weeks(october, "2026-11-30", 0)  # a Monday
    >>> weeks, str(to_datetime(october + weeks * WEEK_MS).date())
    (113, '2026-12-01')
    """
    if not rebase:
        return 0
    day = to_datetime(now_ts).date() if rebase == NOW else date.fromisoformat(rebase)
    wanted = int(datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp()) * 1_000
    return _week(wanted) - _week(start_ts)


def _week(ts: int) -> int:
    """Return the number of the week, from Monday on, of an instant (epoch ms)."""
    thursday_to_monday = 3 * WEEK_MS // 7  # 1970-01-01 was a Thursday
    return (ts + thursday_to_monday) // WEEK_MS
