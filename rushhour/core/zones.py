"""The 265 location ids of the TLC taxi zone table, with their names and boroughs.

Source: "Taxi Zone Lookup Table", NYC Taxi and Limousine Commission trip record data. Ids 264
("Unknown") and 265 ("Outside of NYC") are treated like any other. An array over zones has
`ZONE_COUNT` columns: column `i` is zone `i + 1`.
"""

import csv
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

ZONE_COUNT = 265
FIRST_ZONE = 1
LAST_ZONE = FIRST_ZONE + ZONE_COUNT - 1
ZONE_IDS = range(FIRST_ZONE, LAST_ZONE + 1)


@dataclass(frozen=True, slots=True)
class Zone:
    """One taxi zone."""

    id: int
    borough: str
    name: str


@cache
def zones() -> tuple[Zone, ...]:
    """Return all zones, ordered by id.

    >>> zones()[131]
    Zone(id=132, borough='Queens', name='JFK Airport')
    """
    with (files("rushhour.core") / "data" / "zones.csv").open("r", encoding="utf-8") as file:
        table = tuple(
            Zone(int(row["id"]), row["borough"], row["name"]) for row in csv.DictReader(file)
        )
    if [zone.id for zone in table] != list(ZONE_IDS):
        raise ValueError("rushhour/core/data/zones.csv does not hold the ids 1 to 265 in order")
    return table
