"""Checksums of what the dataflow writes for one hour, by which the consumer checks what it read."""

import zlib
from collections.abc import Iterator
from functools import lru_cache

import numpy as np

from rushhour.core.arrays import Counts, Floats, ZoneMask
from rushhour.core.checksums import Hashes, mix, row_hashes, text, to_bits, total
from rushhour.core.forecast import Forecast
from rushhour.core.zones import ZONE_COUNT, ZONE_IDS

_AHEAD = ("mean", "median", "lower", "upper")

# Rides, predictions and alerts.
Checksums = tuple[str, str, str]


def hour_hashes(rides: Floats | Counts | None, forecast: Forecast, alerts: Floats) -> Hashes:
    """Return three hashes of each zone, `uint64[3, zones]`: of its rides, forecast and alert.

    Parameters
    ----------
    rides
        Rides of the closed hour; None if there is none, at the opening of a run.
    forecast
        The forecast for the hour after it.
    alerts
        Relative change of the zones with an alert in the closed hour, NaN for all others.
    """
    unknown = np.full(ZONE_COUNT, np.nan)
    cells = np.stack(
        [
            unknown if rides is None else rides,
            alerts,
            *forecast.by_model.values(),
            forecast.mean,
            forecast.lower,
            forecast.upper,
            *(column for each in forecast.ahead.values() for column in _ahead(each)),
        ]
    )
    names = (
        *("rides", "alerts", *forecast.by_model, "mean", "lower", "upper"),
        *(f"{horizon} {kind}" for horizon in forecast.ahead for kind in _AHEAD),
    )
    hashes = to_bits(cells) ^ _salts(names)
    mix(hashes)
    return np.stack([hashes[0], hashes[2:].sum(axis=0, dtype=np.uint64), hashes[1]])


def _ahead(forecast: Forecast) -> tuple[Floats, ...]:
    return forecast.mean, forecast.median, forecast.lower, forecast.upper


def checksums(hashes: Hashes, zones: ZoneMask) -> Checksums:
    """Return the checksums of rides, predictions and alerts over some zones."""
    rides, predictions, alerts = hashes[:, zones]
    return text(total(rides)), text(total(predictions)), text(total(alerts))


@lru_cache(maxsize=8)
def _salts(names: tuple[str, ...]) -> Hashes:
    """Return a number for each column and zone, so that values cannot change places unnoticed."""

    def of_columns() -> Iterator[Hashes]:
        for i, name in enumerate(names):
            column = np.full(ZONE_COUNT, (zlib.crc32(name.encode()) << 16) + i)
            yield row_hashes(np.array(ZONE_IDS), column)

    return np.stack(list(of_columns()))
