"""Horizons: how many hours ahead of the last closed hour is forecast. The next hour is 1 ahead."""

from rushhour.core.errors import UsageError
from rushhour.core.hours import HOURS_PER_WEEK

NEXT_HOUR = 1
ONLY_THE_NEXT_HOUR = (NEXT_HOUR,)
LONGEST = HOURS_PER_WEEK  # so far, the same hour of last week is known

Horizons = tuple[int, ...]


def parse_horizons(text: str) -> Horizons:
    """Return horizons from their text, in order; the next hour is always one of them.

    >>> parse_horizons("24, 1,6"), parse_horizons("2")
    ((1, 6, 24), (1, 2))

    Raises
    ------
    UsageError
        If one is no whole number of hours from 1 to 168, or there twice.
    """
    found: list[int] = []
    for part in text.split(","):
        digits = part.strip()
        hours = int(digits) if digits.isascii() and digits.isdecimal() else 0
        if not NEXT_HOUR <= hours <= LONGEST:
            raise UsageError(
                f"horizons '{text}': '{digits}' is no number of hours from {NEXT_HOUR} to "
                f"{LONGEST}: write them with commas, such as 1,2,3,6,12,24"
            )
        if hours in found:
            raise UsageError(f"horizons '{text}' has {hours} twice: write each once")
        found.append(hours)
    return tuple(sorted({NEXT_HOUR, *found}))


def format_horizons(horizons: Horizons) -> str:
    """Format horizons as `parse_horizons` accepts them.

    >>> format_horizons((1, 6))
    '1,6'
    """
    return ",".join(map(str, horizons))
