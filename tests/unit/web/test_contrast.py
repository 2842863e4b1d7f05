"""Text on the pages has a contrast of at least 4.5 (WCAG 2 AA), lines of charts of at least 3."""

import re

import pytest

from rushhour.simulator.web.assets import STATIC

TEXT, GRAPHICS = 4.5, 3.0
BACKGROUNDS = ("paper", "panel")
PAIRS = [
    *((name, ground, TEXT) for name in ("ink", "ink-2", "accent") for ground in BACKGROUNDS),
    *((name, ground, TEXT) for name in ("good", "bad") for ground in BACKGROUNDS),
    *((name, ground, GRAPHICS) for name in ("rides", "prediction") for ground in BACKGROUNDS),
    ("on-accent", "accent", TEXT),
]


def palettes() -> dict[str, dict[str, str]]:
    css = (STATIC / "base.css").read_text("utf-8")
    light, dark = (
        dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6});", block))
        for block in re.findall(r":root \{(.*?)\}", css, re.S)[:2]
    )
    return {"light": light, "dark": light | dark}


def luminance(colour: str) -> float:
    channels = (int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5))
    red, green, blue = (
        each / 12.92 if each <= 0.04045 else ((each + 0.055) / 1.055) ** 2.4 for each in channels
    )
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    """Return the contrast ratio of WCAG.

    >>> round(contrast("#000000", "#ffffff"), 1)
    21.0
    """
    dark, light = sorted(map(luminance, (one, other)))
    return (light + 0.05) / (dark + 0.05)


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize(("name", "ground", "least"), PAIRS)
def test_a_colour_stands_out_from_its_ground(
    scheme: str, name: str, ground: str, least: float
) -> None:
    palette = palettes()[scheme]
    assert contrast(palette[name], palette[ground]) >= least


def test_both_schemes_have_every_colour() -> None:
    css = (STATIC / "base.css").read_text("utf-8")
    light, dark = re.findall(r":root \{(.*?)\}", css, re.S)[:2]
    names = [set(re.findall(r"--([\w-]+): #", block)) for block in (light, dark)]
    assert names[0] == names[1]


def test_style_sheets_take_colours_from_the_palette_alone() -> None:
    for sheet in STATIC.glob("*.css"):
        rules = re.sub(r":root \{.*?\}", "", sheet.read_text("utf-8"), flags=re.S)
        rules = re.sub(r"/\*.*?\*/", "", rules, flags=re.S)
        assert re.findall(r"#[0-9a-fA-F]{3,8}\b(?=[^{]*;)|rgba?\([^)]*\)", rules) == [], sheet.name
