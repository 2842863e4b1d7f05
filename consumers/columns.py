"""A figure of every zone, as Redis holds it (hash zone -> value) and as an array."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from core.keys import NOT_KNOWN
from core.models import DECIMALS
from core.zones import ZONE_IDS

Floats = npt.NDArray[np.float64]


def rounded(value: float) -> float:
    """Return a figure as Redis holds it."""
    return round(value, DECIMALS) + 0.0  # no negative zero


def to_values(column: Floats) -> list[Any]:
    """Return a column as Redis holds it, one value a zone: rounded, `NOT_KNOWN` for NaN."""
    values = (np.round(column, DECIMALS) + 0.0).tolist()
    return [value if value == value else NOT_KNOWN for value in values]  # noqa: PLR0124


def by_zone(values: list[Any]) -> dict[int, Any]:
    """Return one value a zone as a hash."""
    return dict(zip(ZONE_IDS, values, strict=True))


def from_hash(fields: Mapping[str, str]) -> Floats:
    """Return a hash as a column: NaN where a zone is missing or not known."""
    values = (fields.get(str(zone), NOT_KNOWN) for zone in ZONE_IDS)
    return np.array([np.nan if value == NOT_KNOWN else float(value) for value in values])
