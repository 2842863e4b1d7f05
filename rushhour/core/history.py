"""How many closed hours Redis keeps: `--keep`."""

import re

from rushhour.core.errors import UsageError
from rushhour.core.foreign import shown
from rushhour.core.hours import HOURS_PER_DAY, HOURS_PER_WEEK

ALL = "all"
LOOP_KEEP = "35d"  # of a loop, unless something else is asked for
# The scores of a week, and as much again: for the hours that may be open meanwhile, and for
# submissions that are scored after their hours.
LEAST_HOURS = 2 * HOURS_PER_WEEK

_FORM = re.compile(r"(\d{1,6})\s*([hd])", re.ASCII)
_HOURS_PER = {"h": 1, "d": HOURS_PER_DAY}


def parse_keep(text: str) -> int | None:
    """Return how many hours are kept: '35d', '840h'; None for 'all'.

    >>> parse_keep("35d"), parse_keep("840h"), parse_keep("all")
    (840, 840, None)

    Raises
    ------
    UsageError
        If the text is none of these, or the hours are too few.
    """
    wanted = text.strip().lower()
    if wanted == ALL:
        return None
    match = _FORM.fullmatch(wanted)
    if not match:
        raise UsageError(f"keep '{shown(text)}' is not a history: write it as 35d, 840h or {ALL}")
    hours = int(match[1]) * _HOURS_PER[match[2]]
    if hours < LEAST_HOURS:
        raise UsageError(
            f"keep '{shown(text)}' is too short: keep at least {LEAST_HOURS // HOURS_PER_DAY}d "
            f"({LEAST_HOURS}h), since scores need the last {HOURS_PER_WEEK} h and a restart needs "
            "the hours before its own"
        )
    return hours
