"""A column of times in any form: what it says, and how to write it in the form of another column.

Epoch numbers are told apart by their size: seconds, milliseconds, microseconds and nanoseconds of
2009 to 2261 have no number in common.
"""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa

from rushhour.core.arrays import Mask
from rushhour.core.events import EARLIEST_MS, LATEST_MS

Ints = npt.NDArray[np.int64]

UNITS = ("s", "ms", "us", "ns")
UNIT_NAMES = {"s": "seconds", "ms": "milliseconds", "us": "microseconds", "ns": "nanoseconds"}
MS = UNITS.index("ms")
_NO_UNIT = -1
_LARGEST_FLOAT = 2.0**63
_NUMBER = r"(?:[+-]?\d{1,18}|[1-4]\d{18})(?:\.0*)?"  # nanoseconds have 19 digits, as many as fit
_OFFSET = r"(?:Z|z|[+-]\d{2}(?::?\d{2})?)$"
_TIME_OF_DAY = r"\d[T ]\d"
# Texts that can be written again: those of pandas and of Redis keys.
_STYLES = (
    "%Y-%m-%d %H:%M:%S", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%d %H:%M", "%Y-%m-%dT%H:%M", "%Y-%m-%dT%H",
    "%Y-%m-%d %H:%M:%S+00:00", "%Y-%m-%dT%H:%M:%S+00:00", "%Y-%m-%dT%H:%M:%SZ",
    "%Y-%m-%d %H:%M:%SZ",
)  # fmt: skip


@dataclass(frozen=True, slots=True, eq=False)
class Times:
    """A column of times, read.

    Parameters
    ----------
    kind
        `timestamp`, `integer`, `float`, `text`, or `other` for what holds no times.
    type
        The Arrow type of the column; that of a timestamp for dates.
    zoned
        Whether a row names its time zone: always so for numbers, which count from 1970 in UTC.
    units
        For each row, the place in `UNITS` of the unit that its number is in; -1 if it has none.
    readable
        Whether a row is a time of 2009 to 2261.
    null
        Whether a row is empty.
    ts
        The instants, epoch milliseconds, rounded down; 0 where not readable. A time without a zone
        is taken as UTC, a number in the unit that its size tells.
    whole_ms
        Whether a row has no fraction of a millisecond.
    texts
        The texts as they are, for `text`; empty otherwise.
    """

    kind: str
    type: Any
    zoned: Mask
    units: npt.NDArray[np.int8]
    readable: Mask
    null: Mask
    ts: Ints
    whole_ms: Mask
    texts: npt.NDArray[np.object_]

    @property
    def unit(self) -> int:
        """The unit in which most of the numbers are (a place in `UNITS`); -1 if none is."""
        found = self.units[self.readable & (self.units >= 0)]
        return int(np.bincount(found).argmax()) if len(found) else _NO_UNIT

    @property
    def declared_unit(self) -> int:
        """The unit that the type of a timestamp declares; that of most rows for others."""
        return UNITS.index(self.type.unit) if pa.types.is_timestamp(self.type) else self.unit

    @property
    def all_zoned(self) -> bool:
        """Whether every readable row names its zone."""
        return bool(self.zoned[self.readable].all())

    @property
    def style(self) -> str | None:
        """How the texts are written, for `strftime`; the name of a unit for numbers.

        None if they are not written alike, or in a way that is not known.
        """
        texts = self.texts[self.readable]
        if self.kind != "text" or not len(texts):
            return None
        units = set(self.units[self.readable].tolist())
        if units != {_NO_UNIT}:
            digits = all(text.isdigit() for text in texts)
            return UNITS[self.unit] if len(units) == 1 and digits else None
        moments = pd.Series(pd.to_datetime(self.ts[self.readable], unit="ms"))
        for style in _STYLES:
            zoned = style.endswith(("Z", "+00:00"))
            if zoned == self.all_zoned and bool((moments.dt.strftime(style) == texts).all()):
                return style
        return None


def read_times(column: Any) -> Times:
    """Read a column of an Arrow table."""
    if pa.types.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    kind = _kind(column.type)
    null = np.asarray(column.is_null())
    if kind == "timestamp":
        return _read_timestamps(column, null)
    if kind == "integer":
        numbers = column.fill_null(0).cast(pa.int64(), safe=False)
        return _of_numbers(kind, column.type, np.asarray(numbers, np.int64), null)
    if kind == "float":
        values = np.asarray(column.cast(pa.float64()).fill_null(np.nan), np.float64)
        null = null | np.isnan(values)
        usable = np.abs(np.nan_to_num(values, nan=0.0)) < _LARGEST_FLOAT
        whole = np.floor(np.where(usable & ~null, values, 0.0)).astype(np.int64)
        return _of_numbers(kind, column.type, whole, null)
    if kind == "text":
        return _read_texts(column, null)
    return _of_numbers(kind, column.type, _zeros(len(column)), null)


def write_times(ts: Ints, present: Mask, like: Times) -> Any | None:
    """Return instants as an Arrow array in the form of another column; None if it has no one form.

    Parameters
    ----------
    ts
        Epoch milliseconds.
    present
        Which rows have a time; the others become empty.
    like
        The column whose type, unit and way of writing is wanted.
    """
    missing = ~present
    if like.kind == "text":
        style = like.style
        if style is None:
            return None
        if style in UNITS:
            texts = pd.Series(_in_unit(ts, UNITS.index(style))).astype(str)
        else:
            texts = pd.Series(pd.to_datetime(ts, unit="ms")).dt.strftime(style)
        return pa.array(texts.to_numpy(dtype=object), like.type, mask=missing)
    if like.kind == "other" or like.declared_unit < 0:
        return None
    numbers = np.where(present, _in_unit(ts, like.declared_unit), 0)
    whole = pa.array(numbers, pa.int64(), mask=missing)
    if like.kind != "timestamp":
        return whole.cast(like.type, safe=False)
    return whole.cast(like.type)


def is_text(type_: Any) -> bool:
    """Return whether an Arrow type holds text."""
    kinds = (pa.types.is_string, pa.types.is_large_string, pa.types.is_string_view)
    return any(is_kind(type_) for is_kind in kinds)


def _kind(type_: Any) -> str:
    if pa.types.is_timestamp(type_) or pa.types.is_date(type_):
        return "timestamp"
    if pa.types.is_integer(type_):
        return "integer"
    if pa.types.is_floating(type_) or pa.types.is_decimal(type_):
        return "float"
    if is_text(type_):
        return "text"
    return "other"


def _read_timestamps(column: Any, null: Mask) -> Times:
    stamps = column
    if pa.types.is_date(column.type):
        stamps = column.cast(pa.timestamp("s"))
    numbers = np.asarray(stamps.cast(pa.int64()).fill_null(0), np.int64)
    zoned = np.full(len(column), getattr(column.type, "tz", None) is not None)
    return replace(_of_numbers("timestamp", stamps.type, numbers, null), zoned=zoned)


def _read_texts(column: Any, null: Mask) -> Times:
    texts = column.to_pandas().fillna("").astype(str).str.strip()
    is_number = texts.str.fullmatch(_NUMBER).to_numpy(np.bool_)
    numbers = _zeros(len(texts))
    numbers[is_number] = texts[is_number].str.split(".").str[0].astype(np.int64)
    of_numbers = _of_numbers("text", column.type, numbers, null | ~is_number)
    moments = pd.to_datetime(
        texts.where(~is_number, None), format="ISO8601", utc=True, errors="coerce"
    )
    ms = moments.astype("datetime64[ms, UTC]")
    is_moment = moments.notna().to_numpy(np.bool_)
    ts = np.where(is_moment, ms.astype(np.int64).to_numpy(), of_numbers.ts)
    is_moment = is_moment & (ts >= EARLIEST_MS) & (ts < LATEST_MS)
    exact = (moments == ms).to_numpy(np.bool_)
    has_zone = texts.str.contains(_OFFSET) & texts.str.contains(_TIME_OF_DAY)
    readable = of_numbers.readable | is_moment
    return Times(
        "text",
        column.type,
        has_zone.to_numpy(np.bool_) | is_number,
        of_numbers.units,
        readable,
        null | (texts == "").to_numpy(np.bool_),
        np.where(readable, ts, 0),
        np.where(is_moment, exact, of_numbers.whole_ms),
        texts.to_numpy(dtype=object),
    )


def _of_numbers(kind: str, type_: Any, numbers: Ints, null: Mask) -> Times:
    """Read epoch numbers, each in the unit that its size tells."""
    units, ts = _no_units(len(numbers)), _zeros(len(numbers))
    whole_ms = np.ones(len(numbers), np.bool_)
    for unit in range(len(UNITS)):
        first, after = (_in_unit(np.array([limit]), unit)[0] for limit in (EARLIEST_MS, LATEST_MS))
        chosen = (numbers >= first) & (numbers < after) & ~null
        units[chosen] = unit
        if unit < MS:
            ts[chosen] = numbers[chosen] * 1_000 ** (MS - unit)
        else:
            factor = 1_000 ** (unit - MS)
            ts[chosen] = numbers[chosen] // factor
            whole_ms[chosen] = numbers[chosen] % factor == 0
    zoned, texts = np.ones(len(numbers), np.bool_), np.empty(0, np.object_)
    return Times(kind, type_, zoned, units, units >= 0, null, ts, whole_ms, texts)


def _in_unit(ts: Ints, unit: int) -> Ints:
    found: Ints = ts * 1_000 ** (unit - MS) if unit >= MS else ts // 1_000 ** (MS - unit)
    return found


def _zeros(rows: int) -> Ints:
    return np.zeros(rows, np.int64)


def _no_units(rows: int) -> npt.NDArray[np.int8]:
    return np.full(rows, _NO_UNIT, np.int8)
