"""Ids of the entries of a Redis stream: milliseconds and a number, such as 1727910000000-0."""

import re

_ENTRY_ID = re.compile(r"\d+-\d+", re.ASCII)


def is_entry_id(text: str) -> bool:
    """Whether a text is the id of an entry.

    >>> is_entry_id("9-1"), is_entry_id("$")
    (True, False)
    """
    return _ENTRY_ID.fullmatch(text) is not None


def entry_order(entry_id: str) -> tuple[int, int]:
    """Return the position of an entry in its stream, by its id.

    >>> entry_order("9-1") < entry_order("10-0")
    True
    """
    ms, _, number = entry_id.partition("-")
    return int(ms), int(number or 0)
