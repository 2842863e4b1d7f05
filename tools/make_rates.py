"""Write the rates of the synthetic month from a TLC trip file.

    python -m tools.make_rates yellow_tripdata_2024-10.parquet producers/data/rates_yellow.csv.gz

One row per zone that has rides: the zone, then the mean rides of each hour of the week from Monday
00:00 to Sunday 23:00, over those hours of the month. Reproducible: the same trip file gives the
same bytes.
"""

import gzip
import sys
from pathlib import Path

import numpy as np

from producers.month.trips import read_trips
from rushhour.core.hours import HOUR_MS, HOURS_PER_WEEK, hour_of_week, parse_month
from rushhour.core.zones import FIRST_ZONE, ZONE_COUNT, ZONE_IDS


def rate_table(path: Path) -> str:
    """Return the table of mean rides as CSV."""
    dataset, _, month = path.stem.split("_")
    start, end = parse_month(month)
    trips = read_trips(path, dataset, month)
    hours = (end - start) // HOUR_MS
    cell = (trips.pickup_ts - start) // HOUR_MS * ZONE_COUNT + (trips.zone - FIRST_ZONE)
    counts = np.bincount(cell, minlength=hours * ZONE_COUNT).reshape(hours, ZONE_COUNT)
    hour_of_week_of = np.array([hour_of_week(ts) for ts in range(start, end, HOUR_MS)])
    means = np.array(
        [counts[hour_of_week_of == hour].mean(axis=0) for hour in range(HOURS_PER_WEEK)]
    )
    lines = ["zone," + ",".join(map(str, range(HOURS_PER_WEEK)))]
    lines += [
        f"{zone}," + ",".join(f"{round(mean, 2):g}" for mean in column)
        for zone, column in zip(ZONE_IDS, means.T, strict=True)
        if column.any()
    ]
    return "\n".join(lines) + "\n"


def main() -> None:
    """Read the trip file and write the compressed table."""
    source, output = map(Path, sys.argv[1:])
    output.write_bytes(gzip.compress(rate_table(source).encode(), compresslevel=9, mtime=0))


if __name__ == "__main__":
    main()
