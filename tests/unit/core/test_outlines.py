import json
import math
import re
from collections import Counter
from itertools import pairwise
from pathlib import Path

import pytest

from rushhour.core.outlines import BOXES, Outline, outlines
from rushhour.core.zones import ZONE_IDS
from tests.fixtures.trips import DATA_DIR
from tools.make_outlines import EARTH_RADIUS_M, METRES_PER_UNIT, outline_table, rings_of

Point = tuple[float, float]
Ring = list[Point]

AREAS = [each for each in outlines().zones if each.id not in BOXES]
RING = re.compile(r"M(\d+) (\d+)l([^a-zA-Z]+)z")
NUMBER = re.compile(r"-?\d+")


def rings(outline: Outline) -> list[Ring]:
    """The closed rings of a path; the first point stands at the end again."""
    found = []
    for x, y, steps in RING.findall(outline.path):
        numbers = [int(each) for each in NUMBER.findall(steps)]
        ring = [(float(x), float(y))]
        for dx, dy in zip(numbers[::2], numbers[1::2], strict=True):
            ring.append((ring[-1][0] + dx, ring[-1][1] + dy))
        found.append([*ring, ring[0]])
    return found


def area(ring: Ring) -> float:
    """The area inside; positive where the ring runs clockwise on the screen."""
    return sum(a[0] * b[1] - b[0] * a[1] for a, b in pairwise(ring)) / 2


def is_inside(x: float, y: float, all_rings: list[Ring]) -> bool:
    """By the even-odd rule, as the path is filled."""
    crossings = 0
    for ring in all_rings:
        for (ax, ay), (bx, by) in pairwise(ring):
            if (ay > y) != (by > y) and x < ax + (y - ay) * (bx - ax) / (by - ay):
                crossings += 1
    return crossings % 2 == 1


def test_there_is_an_outline_for_each_zone() -> None:
    assert [each.id for each in outlines().zones] == list(ZONE_IDS)
    assert [each.id for each in outlines().zones if each.id in BOXES] == [264, 265]


def test_paths_are_closed_rings_of_integers() -> None:
    for outline in AREAS:
        assert re.fullmatch(rf"({RING.pattern})+", outline.path), outline.id


def test_outlines_fill_the_map_to_its_borders() -> None:
    points = [point for each in AREAS for ring in rings(each) for point in ring]
    xs, ys = zip(*points, strict=True)
    assert (min(xs), max(xs)) == (0, outlines().width)
    assert (min(ys), max(ys)) == (0, outlines().height)


def test_the_point_of_a_zone_lies_inside_it() -> None:
    assert [each.id for each in AREAS if not is_inside(each.x, each.y, rings(each))] == []


def test_no_zone_is_where_another_has_its_point() -> None:
    for outline in AREAS:
        around = [each for each in AREAS if is_inside(outline.x, outline.y, rings(each))]
        assert [each.id for each in around] == [outline.id]


def test_borders_between_neighbours_are_shared() -> None:
    # Midtown Center and five of its neighbours: all of its points belong to one of them too.
    midtown = next(each for each in AREAS if each.id == 161)
    others = Counter(p for each in AREAS if each.id != 161 for ring in rings(each) for p in ring)
    assert all(others[point] for ring in rings(midtown) for point in ring)


def test_boxes_hide_no_zone() -> None:
    boxes = [each for each in outlines().zones if each.id in BOXES]
    points = [point for each in AREAS for ring in rings(each) for point in ring]
    for box in boxes:
        left, top = BOXES[box.id]
        right, bottom = 2 * box.x - left, 2 * box.y - top
        assert not any(left <= x <= right and top <= y <= bottom for x, y in points)


@pytest.fixture(scope="module")
def zone_file(data_dir: Path) -> Path:
    path = data_dir / "taxi_zones.geojson"
    if not path.is_file():
        pytest.skip(f"needs taxi_zones.geojson in {DATA_DIR}")
    return path


def test_the_table_is_what_the_zone_file_gives(zone_file: Path) -> None:
    table = Path("rushhour/core/data/outlines.json").read_text("utf-8")
    assert outline_table(json.loads(zone_file.read_text("utf-8"))) == table


def test_areas_are_those_of_the_zone_file(zone_file: Path) -> None:
    features = json.loads(zone_file.read_text("utf-8"))["features"]
    metres = math.radians(EARTH_RADIUS_M)
    for outline, feature in zip(AREAS, features, strict=True):
        latitude = math.radians(feature["properties"]["lat"])
        true = sum(
            area([(lon * metres * math.cos(latitude), -lat * metres) for lon, lat in ring])
            for ring in rings_of(feature["geometry"])
        )
        drawn = sum(area(ring) for ring in rings(outline)) * METRES_PER_UNIT**2
        assert drawn == pytest.approx(true, rel=0.03), feature["properties"]["zone"]


def test_a_ring_smaller_than_the_grid_disappears() -> None:
    ring = [[0.0, 0.0], [1.0, 0.0], [1.0, 1.0], [0.0, 1.0], [0.0, 0.0]]
    dot = [[x / 1e7 + 0.5, y / 1e7 + 0.5] for x, y in ring]
    collection = {
        "features": [
            {
                "properties": {"LocationID": 7, "lon": 0.5, "lat": 0.2},
                "geometry": {"type": "MultiPolygon", "coordinates": [[ring], [dot]]},
            }
        ]
    }
    (zone,) = json.loads(outline_table(collection))["zones"]
    assert zone["id"] == 7
    assert zone["path"].count("M") == 1
