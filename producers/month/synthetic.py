"""A synthetic month with the weekly pattern of a real one, for use without a trip file.

`producers/data/rates_*.csv.gz` hold, for each zone and hour of the week, the mean rides of
October 2024 (`tools/make_rates.py` writes them). Rides of a zone in an hour are Poisson with
that mean, at seconds drawn uniformly from the hour.
"""

import gzip
import zlib
from functools import cache
from importlib.resources import files

import numpy as np
import numpy.typing as npt

from rushhour.core.errors import DataError
from rushhour.core.hours import HOUR_MS, HOURS_PER_WEEK, SECOND_MS, hour_of_week, parse_month
from rushhour.core.zones import FIRST_ZONE, ZONE_COUNT

_SECONDS_PER_HOUR = HOUR_MS // SECOND_MS
_ZONE_BITS = 9  # enough for 265


@cache
def rates(dataset: str) -> npt.NDArray[np.float64]:
    """Return mean rides per hour: one row per hour of the week, column `i` is zone `i + 1`.

    Raises
    ------
    DataError
        If there are no rates for the dataset.
    """
    resource = files("producers") / "data" / f"rates_{dataset}.csv.gz"
    if not resource.is_file():
        raise DataError(f"no synthetic rates for dataset '{dataset}': use yellow or green")
    table = np.zeros((HOURS_PER_WEEK, ZONE_COUNT))
    for line in gzip.decompress(resource.read_bytes()).decode().splitlines()[1:]:
        zone, *means = line.split(",")
        table[:, int(zone) - FIRST_ZONE] = np.array(means, np.float64)
    table.setflags(write=False)
    return table


def synthetic_trips(
    dataset: str, month: str
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int16]]:
    """Return pickup times (epoch milliseconds, ascending, whole seconds) and zones of a month.

    The same dataset and month always give the same trips. Trips of the same second
    are ordered by zone.

    Raises
    ------
    DataError
        If there are no rates for the dataset.
    UsageError
        If the month is invalid.
    """
    start, end = parse_month(month)
    weekly = rates(dataset)
    # RandomState, because NumPy guarantees the same draws in all versions.
    random = np.random.RandomState(zlib.crc32(f"{dataset} {month}".encode()))
    hours_of_week = [hour_of_week(ts) for ts in range(start, end, HOUR_MS)]
    counts = random.poisson(weekly[hours_of_week])
    hour, zone = np.ogrid[: len(counts), FIRST_ZONE : FIRST_ZONE + ZONE_COUNT]
    # Second and zone in one number: sorting it is far faster than sorting an index. Each step is in
    # place, because a month has millions of trips.
    both = np.repeat(hour * _SECONDS_PER_HOUR << _ZONE_BITS | zone, counts.ravel())
    part = random.randint(0, _SECONDS_PER_HOUR, len(both), dtype=np.int64)
    part <<= _ZONE_BITS
    both += part
    both.sort()
    zones = np.bitwise_and(both, (1 << _ZONE_BITS) - 1, out=part).astype(np.int16)
    both >>= _ZONE_BITS
    both *= SECOND_MS
    both += start
    return both, zones
