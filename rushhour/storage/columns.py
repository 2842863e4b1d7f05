"""A figure of every zone, as Redis holds it (hash zone -> value) and as an array."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from rushhour.core.keys import NOT_KNOWN
from rushhour.core.models import DECIMALS
from rushhour.core.topics import partition_of
from rushhour.core.zones import ZONE_COUNT, ZONE_IDS

Floats = npt.NDArray[np.float64]
ZoneMask = npt.NDArray[np.bool_]  # which zones something is about, one flag a zone


def all_zones() -> ZoneMask:
    """Return the flags of something that is about every zone."""
    return np.ones(ZONE_COUNT, np.bool_)


def unknown() -> Floats:
    """Return a column of which nothing is known: NaN for every zone."""
    return np.full(ZONE_COUNT, np.nan)


def zones_of(partition: int, partitions: int) -> ZoneMask:
    """Return which zones' events are on a partition."""
    return np.array([partition_of(zone, partitions) == partition for zone in ZONE_IDS])


def rounded(value: float) -> float:
    """Return a figure as Redis holds it."""
    return round(value, DECIMALS) + 0.0  # no negative zero


def to_values(column: Floats) -> list[Any]:
    """Return a column as Redis holds it, one value a zone: rounded, `NOT_KNOWN` for NaN."""
    values = (np.round(column, DECIMALS) + 0.0).tolist()
    return [value if value == value else NOT_KNOWN for value in values]  # noqa: PLR0124


def rows(values: Iterable[Any], zones: ZoneMask) -> Iterator[tuple[int, Any]]:
    """Yield id and value of the given zones; `values` has one value for every zone."""
    for zone, value, wanted in zip(ZONE_IDS, values, zones.tolist(), strict=True):
        if wanted:
            yield zone, value


def from_hash(fields: Mapping[str, str]) -> Floats:
    """Return a hash as a column: NaN where a zone is missing or not known."""
    if not fields:
        return unknown()
    values = (fields.get(str(zone), NOT_KNOWN) for zone in ZONE_IDS)
    return np.array([np.nan if value == NOT_KNOWN else float(value) for value in values])
