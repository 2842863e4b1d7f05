"""Trips as columns, read from their JSON without an object for each.

The encoder writes all trips in one form: the same bytes, with digits in three places. Trips whose
numbers are equally long are therefore rows of a table of bytes, and a byte is right if it lies
between the lowest and the highest that the form allows in its column.

A trip that is read here is one that `rushhour.core.codec` reads, and the same. Any other record is
left to the codec, which knows what is the matter with it.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from rushhour.core.arrays import Counts
from rushhour.core.codec import trip_codec
from rushhour.core.events import EARLIEST_MS, LATEST_MS, Trip
from rushhour.core.zones import LAST_ZONE

# The parts of a trip that are no number.
Literals = tuple[bytes, bytes, bytes, bytes]

_PARTS = re.compile(rb'(.*"seq":)\d+(,"pickup_ts":)\d+(,"pickup_location_id":)\d+(})')
_MAX_SEQ_DIGITS = 18  # any number of them fits into 64 bits
_TS_DIGITS = len(str(EARLIEST_MS))
_ZONE_DIGITS = range(1, len(str(LAST_ZONE)) + 1)
_POWERS = 10 ** np.arange(_MAX_SEQ_DIGITS - 1, -1, -1)
_DIGIT = 0x0F  # the bits of a digit's value, in ASCII


@dataclass(frozen=True, slots=True, eq=False)
class TripColumns:
    """Trips of a batch of records, as `int64[trips]` each.

    `index` is the place of each trip in the batch, `pickup_ts` is epoch milliseconds, `zone` is a
    location id.
    """

    index: Counts
    seq: Counts
    pickup_ts: Counts
    zone: Counts

    @classmethod
    def none(cls) -> "TripColumns":
        """Return no trips."""
        empty = np.empty(0, np.int64)
        return cls(empty, empty, empty, empty)


class TripColumnReader:
    """Reads the trips of one run."""

    def __init__(self, run_id: str) -> None:
        parts = _PARTS.fullmatch(trip_codec(run_id).encode(Trip(0, EARLIEST_MS, LAST_ZONE)))
        assert parts is not None  # the encoder writes these fields
        first, second, third, last = parts.groups()
        self._literals: Literals = (first, second, third, last)

    def read(self, values: Sequence[bytes | None]) -> TripColumns:
        """Return trips of a batch: usually all, but none that differs in form from the others."""
        seq_digits = self._seq_digits(values)
        if not 1 <= seq_digits <= _MAX_SEQ_DIGITS:
            return TripColumns.none()
        try:
            data = b"".join(values)  # type: ignore[arg-type]  # None raises TypeError
        except TypeError:
            return TripColumns.none()
        lengths = np.fromiter(map(len, values), np.int64, len(values))  # type: ignore[arg-type]
        begins = np.cumsum(lengths) - lengths
        found = np.zeros(len(values), np.bool_)
        columns = [np.empty(len(values), np.int64) for _ in range(3)]
        for zone_digits in _ZONE_DIGITS:
            form = _form(self._literals, seq_digits, zone_digits)
            index = np.flatnonzero(lengths == form.length)
            numbers = form.numbers(data, begins[index])
            if numbers is not None:
                found[index] = True
                for column, number in zip(columns, numbers, strict=True):
                    column[index] = number
        seq, pickup_ts, zone = (column[found] for column in columns)
        return TripColumns(np.flatnonzero(found), seq, pickup_ts, zone)

    def _seq_digits(self, values: Sequence[bytes | None]) -> int:
        """Return the number of digits of the first `seq` in a batch; 0 if there is no trip."""
        head = self._literals[0]
        for value in values:
            if value is not None and value.startswith(head):
                return value.find(b",", len(head)) - len(head)
        return 0


@dataclass(frozen=True, slots=True, eq=False)
class _Form:
    """The form of trips whose numbers have certain lengths.

    `lowest` is the lowest byte that is allowed in each column, `span` how much higher it may be.
    The others are the columns of the numbers.
    """

    lowest: npt.NDArray[np.uint8]
    span: npt.NDArray[np.uint8]
    seq: slice
    pickup_ts: slice
    zone: slice

    @property
    def length(self) -> int:
        return len(self.lowest)

    def numbers(self, data: bytes, begins: Counts) -> tuple[Counts, Counts, Counts] | None:
        """Return the numbers of the records that begin at some places in `data`.

        None if one of them is not a trip of this form, or there is none.
        """
        if not len(begins):
            return None
        shape = len(data) - self.length + 1, self.length
        records = np.ndarray(shape, np.uint8, data, strides=(1, 1))[begins]
        if not (records - self.lowest <= self.span).all():  # what is too low is very high: unsigned
            return None
        records &= _DIGIT
        seq, pickup_ts, zone = (
            records[:, digits] @ _POWERS[digits.start - digits.stop :]
            for digits in (self.seq, self.pickup_ts, self.zone)
        )
        if pickup_ts.min() < EARLIEST_MS or pickup_ts.max() >= LATEST_MS or zone.max() > LAST_ZONE:
            return None
        return seq, pickup_ts, zone


@lru_cache(maxsize=64)
def _form(literals: Literals, seq_digits: int, zone_digits: int) -> _Form:
    first, second, third, last = literals
    seq = slice(len(first), len(first) + seq_digits)
    pickup_ts = slice(seq.stop + len(second), seq.stop + len(second) + _TS_DIGITS)
    zone = slice(pickup_ts.stop + len(third), pickup_ts.stop + len(third) + zone_digits)

    def record(*numbers: int) -> npt.NDArray[np.uint8]:
        parts = (first, numbers[0], second, numbers[1], third, numbers[2], last)
        return np.frombuffer(b"%b%d%b%d%b%d%b" % parts, np.uint8)

    # The first digit of a number is 0 only if it is the only one.
    lowest = record(
        10 ** (seq_digits - 1) if seq_digits > 1 else 0,
        10 ** (_TS_DIGITS - 1),
        10 ** (zone_digits - 1),
    )
    highest = record(10**seq_digits - 1, 10**_TS_DIGITS - 1, 10**zone_digits - 1)
    return _Form(lowest, highest - lowest, seq, pickup_ts, zone)
