"""Checksums of events: sums of 64-bit hashes of rows, modulo 2**64.

Both ends of a topic compute them from arrays, never event by event. They find what is lost, added
or altered by accident; they are no protection against someone who computes them too.
"""

from typing import Any

import numpy as np
import numpy.typing as npt

Hashes = npt.NDArray[np.uint64]

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_MULTIPLIERS = (np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB))
_SHIFTS = (np.uint64(30), np.uint64(27), np.uint64(31))
_MASK = 2**64 - 1
_ZONES_PER_MS = 512  # above every zone


def row_hashes(*columns: npt.NDArray[Any]) -> Hashes:
    """Return a hash of each row of some columns, of whole numbers or floats."""
    out = np.zeros(len(columns[0]), np.uint64)
    for column in columns:
        out += _GOLDEN
        out ^= to_bits(column)
        mix(out)
    return out


def mix(values: Hashes) -> None:
    """Mix the bits of each value, in place.

    Source: SplitMix64 (Steele, Lea, Flood, 2014, "Fast splittable pseudorandom number generators").
    """
    values ^= values >> _SHIFTS[0]
    values *= _MULTIPLIERS[0]
    values ^= values >> _SHIFTS[1]
    values *= _MULTIPLIERS[1]
    values ^= values >> _SHIFTS[2]


def to_bits(values: npt.NDArray[Any]) -> Hashes:
    """Return the bits of whole numbers or floats. Every NaN is the same, as it is in JSON."""
    if values.dtype.kind == "f":
        return np.where(np.isnan(values), np.nan, values).astype(np.float64).view(np.uint64)
    return values.astype(np.int64, copy=False).view(np.uint64)


def trip_hashes(
    seq: npt.NDArray[np.int64], pickup_ts: npt.NDArray[np.int64], zone: npt.NDArray[Any]
) -> Hashes:
    """Return a hash of each trip: its number, its pickup time (epoch ms) and its zone."""
    return row_hashes(seq, pickup_ts * _ZONES_PER_MS + zone)


def total(hashes: Hashes) -> int:
    """Return the sum of hashes, modulo 2**64."""
    return int(hashes.sum(dtype=np.uint64))


def add(one: int, other: int) -> int:
    """Return the sum of two totals, modulo 2**64."""
    return (one + other) & _MASK


def tick_checksum(trips_total: int, sim_ts: int) -> str:
    """Return the checksum of a tick, as an event has it.

    Parameters
    ----------
    trips_total
        The total of `trip_hashes` of all trips before the tick, on its partition.
    sim_ts
        The time of the tick (epoch ms).
    """
    return text(trips_total + sim_ts * int(_GOLDEN))


def text(value: int) -> str:
    """Return a checksum as an event has it: 16 hexadecimal digits.

    >>> text(255)
    '00000000000000ff'
    """
    return f"{value & _MASK:016x}"
