"""Write the outlines of the taxi zones from the TLC's zone file.

    python -m tools.make_outlines taxi_zones.geojson rushhour/core/data/outlines.json

The zone file is GeoJSON in WGS84 (longitude, latitude) whose features carry `LocationID` and a
point inside the zone (`lon`, `lat`). The TLC's own file, `taxi_zones.zip`, is a shapefile in feet,
which `ogr2ogr -t_srs EPSG:4326` converts.

Every point is moved to an integer grid of 10 metres, so a point that two zones share is still
shared: borders open no gaps that the zone file does not have. What is smaller than the grid
disappears. Reproducible: the same zone file gives the same bytes.
"""

import json
import math
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

METRES_PER_UNIT = 10
EARTH_RADIUS_M = 6_371_000
SOURCE = (
    "NYC Taxi and Limousine Commission, taxi zones; simplified: points moved to a grid of "
    f"{METRES_PER_UNIT} m, x to the east, y to the south"
)

Point = tuple[int, int]


@dataclass(frozen=True)
class Grid:
    """Integer coordinates with their origin in the north-west corner."""

    west: float
    north: float
    units_per_degree: tuple[float, float]

    def point(self, lon: float, lat: float) -> Point:
        """Return the nearest point of the grid."""
        x, y = self.units_per_degree
        return round((lon - self.west) * x), round((self.north - lat) * y)


def grid_of(positions: Sequence[Sequence[float]]) -> Grid:
    """Return the grid that spans all positions: equirectangular, true at the middle latitude."""
    lons, lats = zip(*positions, strict=True)
    per_degree = math.radians(EARTH_RADIUS_M / METRES_PER_UNIT)
    middle = math.radians((min(lats) + max(lats)) / 2)
    return Grid(min(lons), max(lats), (per_degree * math.cos(middle), per_degree))


def rings_of(geometry: dict[str, Any]) -> list[Sequence[Sequence[float]]]:
    """Return all rings of a Polygon or MultiPolygon, holes included."""
    polygons = geometry["coordinates"]
    if geometry["type"] == "Polygon":
        polygons = [polygons]
    return [ring for polygon in polygons for ring in polygon]


def snapped(ring: Iterable[Sequence[float]], grid: Grid) -> list[Point]:
    """Return the ring on the grid, open, without repeated points; empty if no area is left."""
    points: list[Point] = []
    for lon, lat in ring:
        point = grid.point(lon, lat)
        if not points or point != points[-1]:
            points.append(point)
    doubled_area = sum(a[0] * b[1] - b[0] * a[1] for a, b in pairwise(points))
    return points[:-1] if doubled_area else []


def svg_path(rings: Iterable[Sequence[Point]]) -> str:
    """Return an SVG path: one absolute point a ring, then relative ones."""
    parts = []
    for ring in rings:
        steps = [f"{b[0] - a[0]} {b[1] - a[1]}" for a, b in pairwise(ring)]
        parts.append(f"M{ring[0][0]} {ring[0][1]}l{' '.join(steps).replace(' -', '-')}z")
    return "".join(parts)


def outline_table(collection: dict[str, Any]) -> str:
    """Return the table as JSON, a line for each zone."""
    features = sorted(collection["features"], key=lambda each: each["properties"]["LocationID"])
    positions = [p for each in features for ring in rings_of(each["geometry"]) for p in ring]
    grid = grid_of(positions)
    east, south = max(lon for lon, _ in positions), min(lat for _, lat in positions)
    lines = []
    for feature in features:
        facts = feature["properties"]
        x, y = grid.point(facts["lon"], facts["lat"])
        rings = [ring for each in rings_of(feature["geometry"]) if (ring := snapped(each, grid))]
        zone = {"id": facts["LocationID"], "x": x, "y": y, "path": svg_path(rings)}
        lines.append(json.dumps(zone, separators=(",", ":")))
    head = {
        "source": SOURCE,
        "metres_per_unit": METRES_PER_UNIT,
        "size": grid.point(east, south),
    }
    zones = ",\n".join(lines)
    return f'{json.dumps(head)[:-1]}, "zones": [\n{zones}\n]}}\n'


def main() -> None:
    """Read the zone file and write the table."""
    source, output = map(Path, sys.argv[1:])
    output.write_text(outline_table(json.loads(source.read_text(encoding="utf-8"))), "utf-8")


if __name__ == "__main__":
    main()
