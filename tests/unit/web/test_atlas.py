"""`/zones.json`: outlines and names of all zones."""

import json

from rushhour.core.outlines import outlines
from rushhour.core.zones import ZONE_IDS
from rushhour.simulator.web.atlas import atlas

MAX_ZIPPED = 24_000


def test_every_zone_has_its_outline_and_its_name() -> None:
    document = json.loads(atlas().content)
    assert [zone["id"] for zone in document["zones"]] == list(ZONE_IDS)
    assert document["viewbox"] == [0, 0, outlines().width, outlines().height]
    jfk, outline = document["zones"][131], outlines().zones[131]
    assert jfk == {
        "id": 132,
        "name": "JFK Airport",
        "borough": "Queens",
        "path": outline.path,
        "cx": outline.x,
        "cy": outline.y,
    }


def test_zones_that_are_no_area_have_names_for_people() -> None:
    unknown, outside = json.loads(atlas().content)["zones"][263:]
    assert (unknown["name"], unknown["borough"]) == ("Unknown", "Unknown")
    assert (outside["name"], outside["borough"]) == ("Outside of NYC", "")


def test_it_is_small() -> None:
    zipped = atlas().zipped
    assert zipped is not None
    assert len(zipped) < MAX_ZIPPED
