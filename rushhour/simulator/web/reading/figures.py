"""Figures of Redis as JSON has them: numbers, and null where one is not known."""

from collections.abc import Iterable, Mapping
from typing import Any

import msgspec
import numpy as np
from redis.client import Pipeline

from rushhour.core.arrays import Floats
from rushhour.core.keys import NOT_KNOWN
from rushhour.core.models import DECIMALS
from rushhour.storage.columns import from_hash

Number = int | float | None


def number(text: Any) -> Number:
    """Return a figure of Redis as a number: whole if it is written so; None if it is not known.

    >>> number("12"), number("2.5"), number("n/a"), number(None)
    (12, 2.5, None, None)
    """
    if text in {None, "", NOT_KNOWN}:
        return None
    try:
        return int(text)
    except ValueError:
        pass
    try:
        value = float(text)
    except ValueError:  # any client may have written it
        return None
    return value if np.isfinite(value) else None


def numbers(fields: Mapping[str, str], *but: str) -> dict[str, Number]:
    """Return the fields of a hash or an entry as numbers, without those that are named."""
    return {name: number(text) for name, text in fields.items() if name not in but}


def values(reply: Mapping[bytes, bytes]) -> list[Number]:
    """Return a hash zone -> value as one value per zone, by id; None where it is not known."""
    return rounded(from_hash(reply))


def rounded(column: Floats) -> list[Number]:
    """Return a column of all zones as JSON has it: rounded, None for NaN."""
    return [
        None if value != value else value  # noqa: PLR0124
        for value in (np.round(column, DECIMALS) + 0.0).tolist()
    ]


def encode(document: Any) -> bytes:
    """Return a document as JSON: NaN becomes null."""
    return msgspec.json.encode(document)


def execute(pipe: Pipeline) -> list[Any]:
    """Send the commands of a pipeline and return their replies."""
    replies: list[Any] = pipe.execute()
    return replies


def zone_scores(entries: Iterable[tuple[str, float]], count: int) -> list[Number]:
    """Return the scores of a sorted set of zones as one value per zone; None for those without."""
    found: list[Number] = [None] * count
    for zone, score in entries:
        if zone.isdecimal() and 1 <= int(zone) <= count:
            found[int(zone) - 1] = score
    return found
