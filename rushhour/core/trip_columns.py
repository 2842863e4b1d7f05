"""Trips as columns, read from their JSON without an object for each.

The encoder writes all trips in one form: the same bytes, with digits in three places. Trips whose
`seq` is equally long are therefore rows of a table of bytes up to the zone, and a byte is right if
it lies between the lowest and the highest that the form allows in its column. The zone and the end
are looked up.

A trip that is read here is one that `rushhour.core.codec` reads, and the same. Any other record is
left to the codec, which knows what is the matter with it.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

from rushhour.core.arrays import Counts
from rushhour.core.codec import trip_codec
from rushhour.core.events import EARLIEST_MS, LATEST_MS, Trip
from rushhour.core.zones import LAST_ZONE, ZONE_IDS

# The parts of a trip before its numbers.
Literals = tuple[bytes, bytes, bytes]

_PARTS = re.compile(rb'(.*"seq":)\d+(,"pickup_ts":)\d+(,"pickup_location_id":)\d+}')
_MAX_SEQ_DIGITS = 18  # any number of them fits into 64 bits
_TS_DIGITS = len(str(EARLIEST_MS))
_ZONE_DIGITS = len(str(LAST_ZONE))
_POWERS = 10 ** np.arange(_MAX_SEQ_DIGITS - 1, -1, -1)

# The last bytes of a trip of each zone, ascending as a number, with the zone and its digits.
_LAST = b"}"
_TAIL = 4
_ENDS = sorted(
    (int.from_bytes((b'id":%d%b' % (zone, _LAST))[-_TAIL:], "little"), zone, len(str(zone)))
    for zone in ZONE_IDS
)
_TAILS = np.array([tail for tail, _, _ in _ENDS], np.uint32)
_TAIL_ZONES = np.array([zone for _, zone, _ in _ENDS])
_TAIL_DIGITS = np.array([digits for _, _, digits in _ENDS])


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
        first, second, third = parts.groups()
        self._literals: Literals = (first, second, third)

    def read(self, values: Sequence[bytes | None]) -> TripColumns:
        """Return trips of a batch: all whose `seq` is as long as that of the first."""
        seq_digits = self._seq_digits(values)
        if not 1 <= seq_digits <= _MAX_SEQ_DIGITS:
            return TripColumns.none()
        try:
            data = b"".join(values)  # type: ignore[arg-type]  # None raises TypeError
        except TypeError:
            return TripColumns.none()
        lengths = np.fromiter(map(len, values), np.int64, len(values))  # type: ignore[arg-type]
        return _form(self._literals, seq_digits).read(data, lengths)

    def _seq_digits(self, values: Sequence[bytes | None]) -> int:
        """Return the number of digits of the first `seq` in a batch; 0 if there is no trip."""
        head = self._literals[0]
        for value in values:
            if value is not None and value.startswith(head):
                return value.find(b",", len(head)) - len(head)
        return 0


@dataclass(frozen=True, slots=True, eq=False)
class _Form:
    """The form of trips whose `seq` has a certain length.

    `lowest` is the lowest byte that is allowed in each column before the zone, `span` how much
    higher it may be. `seq` and `pickup_ts` are the columns of these numbers.
    """

    lowest: npt.NDArray[np.uint8]
    span: npt.NDArray[np.uint8]
    seq: slice
    pickup_ts: slice

    def read(self, data: bytes, lengths: Counts) -> TripColumns:
        """Return the trips of this form among records that follow each other in `data`."""
        head = len(self.lowest)
        zone_digits = lengths - (head + len(_LAST))
        index = np.flatnonzero((zone_digits >= 1) & (zone_digits <= _ZONE_DIGITS))
        if not len(index):
            return TripColumns.none()
        ends = lengths.cumsum()[index]
        heads = _at(data, ends - lengths[index], f"V{head}").view(np.uint8).reshape(-1, head)
        tails = _at(data, ends - _TAIL, "<u4")
        heads -= self.lowest  # what is too low becomes very high: unsigned
        seq, pickup_ts = (
            heads[:, digits] @ _POWERS[digits.start - digits.stop :] + int(lowest)
            for digits, lowest in (
                (self.seq, self.lowest[self.seq].tobytes()),
                (self.pickup_ts, self.lowest[self.pickup_ts].tobytes()),
            )
        )
        # In place: memory that is asked for anew costs more than the comparison.
        heads_right = np.less_equal(heads, self.span, out=heads.view(np.bool_))
        place = _TAILS.searchsorted(tails).clip(max=len(_TAILS) - 1)
        right = (_TAILS[place] == tails) & (_TAIL_DIGITS[place] == zone_digits[index])
        right &= (pickup_ts >= EARLIEST_MS) & (pickup_ts < LATEST_MS)
        if not heads_right.all():  # much cheaper than a look at each row
            right &= heads_right.all(axis=1)
        columns = index, seq, pickup_ts, _TAIL_ZONES[place]
        return TripColumns(*(columns if right.all() else (each[right] for each in columns)))


def _at(data: bytes, places: Counts, dtype: str) -> npt.NDArray[Any]:
    """Return the values of a type that begin at some places in `data`."""
    size = np.dtype(dtype).itemsize
    return np.ndarray(len(data) - size + 1, dtype, data, strides=(1,))[places]


@lru_cache(maxsize=64)
def _form(literals: Literals, seq_digits: int) -> _Form:
    first, second, third = literals
    seq = slice(len(first), len(first) + seq_digits)
    pickup_ts = slice(seq.stop + len(second), seq.stop + len(second) + _TS_DIGITS)

    def head(*numbers: int) -> npt.NDArray[np.uint8]:
        parts = (first, numbers[0], second, numbers[1], third)
        return np.frombuffer(b"%b%d%b%d%b" % parts, np.uint8)

    # The first digit of a number is 0 only if it is the only one.
    lowest = head(10 ** (seq_digits - 1) if seq_digits > 1 else 0, 10 ** (_TS_DIGITS - 1))
    highest = head(10**seq_digits - 1, 10**_TS_DIGITS - 1)
    return _Form(lowest, highest - lowest, seq, pickup_ts)
