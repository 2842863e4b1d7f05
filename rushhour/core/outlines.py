"""Outlines of the taxi zones, for maps.

Source: taxi zones, NYC Taxi and Limousine Commission, simplified to a grid of 10 metres by
`tools/make_outlines.py`. Coordinates are integers, x to the east and y to the south, with the
origin in the north-west corner of the city. Zones 264 ("Unknown") and 265 ("Outside of NYC") are no
areas: they get boxes where the map is empty, in its north-west.
"""

import json
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

from rushhour.core.zones import ZONE_IDS

BOXES = {264: (0, 300), 265: (0, 650)}
"""North-west corners of the boxes for zones without an outline."""
BOX_SIZE = 250


@dataclass(frozen=True, slots=True)
class Outline:
    """The area of a zone: an SVG path to be filled by the even-odd rule, and a point inside."""

    id: int
    path: str
    x: int
    y: int


@dataclass(frozen=True, slots=True)
class Outlines:
    """The outlines of all zones, ordered by id, and the size of the map that they fill."""

    width: int
    height: int
    zones: tuple[Outline, ...]


@cache
def outlines() -> Outlines:
    """Return the outlines of all 265 zones.

    >>> outlines().zones[263]
    Outline(id=264, path='M0 300h250v250h-250z', x=125, y=425)
    """
    table = json.loads((files("rushhour.core") / "data" / "outlines.json").read_text("utf-8"))
    areas = [Outline(row["id"], row["path"], row["x"], row["y"]) for row in table["zones"]]
    areas += [_box(zone, *corner) for zone, corner in BOXES.items()]
    if [area.id for area in areas] != list(ZONE_IDS):
        raise ValueError("rushhour/core/data/outlines.json does not hold zones 1 to 263 in order")
    width, height = table["size"]
    return Outlines(width, height, tuple(areas))


def _box(zone: int, x: int, y: int) -> Outline:
    path = f"M{x} {y}h{BOX_SIZE}v{BOX_SIZE}h-{BOX_SIZE}z"
    return Outline(zone, path, x + BOX_SIZE // 2, y + BOX_SIZE // 2)
