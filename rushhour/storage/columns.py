"""A figure of every zone, as Redis holds it (hash zone -> value) and as an array."""

from collections.abc import Iterable, Iterator, Mapping
from itertools import repeat
from typing import Any

import msgspec
import numpy as np

from rushhour.core.arrays import Floats, ZoneMask
from rushhour.core.keys import NOT_KNOWN
from rushhour.core.models import DECIMALS
from rushhour.core.topics import partition_of
from rushhour.core.zones import ZONE_COUNT, ZONE_IDS

# The fields of such a hash.
ZONE_FIELDS = tuple(map(str, ZONE_IDS))

_FIELDS_READ = tuple(map(str.encode, ZONE_FIELDS))
_NO_VALUE = NOT_KNOWN.encode()


def all_zones() -> ZoneMask:
    """Return a mask of all zones."""
    return np.ones(ZONE_COUNT, np.bool_)


def unknown() -> Floats:
    """Return a column without a known value: NaN for every zone."""
    return np.full(ZONE_COUNT, np.nan)


def zones_of(partition: int, partitions: int) -> ZoneMask:
    """Return a mask of the zones whose events are on a partition."""
    return np.array([partition_of(zone, partitions) == partition for zone in ZONE_IDS])


def rounded(value: float) -> float:
    """Return a figure as Redis holds it."""
    return round(value, DECIMALS) + 0.0  # no negative zero


def to_values(column: Floats) -> list[Any]:
    """Return a column as Redis holds it, one value per zone: rounded, `NOT_KNOWN` for NaN."""
    values = (np.round(column, DECIMALS) + 0.0).tolist()
    return [value if value == value else NOT_KNOWN for value in values]  # noqa: PLR0124


def to_texts(column: Floats) -> list[str]:
    """Return the text of `to_values`: a column as Redis holds it, one text per zone.

    >>> to_texts(np.array([0.25, np.nan, -0.00001, 2.0, 1e17]))
    ['0.25', 'n/a', '0.0', '2.0', '1e+17']
    """
    # Several times faster than `str` of each value. NaN is null, and exponents have no sign.
    text = msgspec.json.encode((np.round(column, DECIMALS) + 0.0).tolist())[1:-1].decode()
    return text.replace("null", NOT_KNOWN).replace("e", "e+").split(",")


def to_counts(column: Floats) -> list[int]:
    """Return a column of counts as Redis holds it, one whole number per zone; 0 for NaN."""
    counts: list[int] = np.nan_to_num(column).astype(np.int64).tolist()
    return counts


def rows(values: Iterable[Any], zones: ZoneMask) -> Iterator[tuple[int, Any]]:
    """Yield id and value of the given zones; `values` has one value for every zone."""
    for zone, value, wanted in zip(ZONE_IDS, values, zones.tolist(), strict=True):
        if wanted:
            yield zone, value


def from_hash(fields: Mapping[bytes, bytes]) -> Floats:
    """Return a hash as a column: NaN where a zone is missing or its value is not known.

    It is read as the bytes that Redis sends: decoding them would take longer than all else. For
    many tables there is `rushhour.storage.table_texts`.
    """
    if not fields:
        return unknown()
    values = map(fields.get, _FIELDS_READ, repeat(_NO_VALUE))
    return np.array([np.nan if value == _NO_VALUE else float(value) for value in values])
