"""The map of the taxi zones as the pages get it: `/zones.json`."""

import msgspec

from rushhour.core.outlines import outlines
from rushhour.core.zones import Zone, zones
from rushhour.simulator.web.assets import JSON, Asset

_NO_NAME = "N/A"  # of the TLC's table


def atlas() -> Asset:
    """Return the outlines of all zones with their names, and the box that they fill.

    `path` is an SVG path, to be filled by the even-odd rule, `(cx, cy)` a point inside the zone.
    What lies outside of the city has an empty borough.
    """
    shapes = outlines()
    document = {
        "viewbox": [0, 0, shapes.width, shapes.height],
        "zones": [
            {
                "id": zone.id,
                "name": _shown_name(zone),
                "borough": "" if zone.borough == _NO_NAME else zone.borough,
                "path": shape.path,
                "cx": shape.x,
                "cy": shape.y,
            }
            for zone, shape in zip(zones(), shapes.zones, strict=True)
        ],
    }
    return Asset.of(msgspec.json.encode(document), JSON)


def _shown_name(zone: Zone) -> str:
    return zone.borough if zone.name == _NO_NAME else zone.name
