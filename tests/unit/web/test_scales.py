"""The colours of the map are told apart by lightness alone, whatever colours one sees."""

import re
from itertools import pairwise

import pytest

from rushhour.simulator.web.assets import STATIC
from tests.unit.web.test_contrast import contrast, luminance, palettes

STEPS = 9
MIDDLE = STEPS // 2
LEAST = 1.12  # contrast of two neighbouring steps


def scale(scheme: str, name: str) -> list[str]:
    css = (STATIC / "demand.css").read_text("utf-8")
    block = re.findall(r":root \{(.*?)\}", css, re.S)[["light", "dark"].index(scheme)]
    colours = dict(re.findall(rf"--{name}-(\d): (#[0-9a-f]{{6}});", block))
    assert sorted(colours) == [str(step) for step in range(STEPS)]
    return [colours[str(step)] for step in range(STEPS)]


def neighbours_differ(colours: list[str]) -> bool:
    return all(contrast(a, b) >= LEAST for a, b in pairwise(colours))


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_more_rides_are_farther_from_the_paper(scheme: str) -> None:
    paper = palettes()[scheme]["paper"]
    steps = scale(scheme, "seq")
    distances = [contrast(step, paper) for step in steps]
    assert distances == sorted(distances)
    assert neighbours_differ(steps)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_larger_errors_are_farther_from_the_paper(scheme: str) -> None:
    paper = palettes()[scheme]["paper"]
    steps = scale(scheme, "div")
    for side in (steps[MIDDLE::-1], steps[MIDDLE:]):
        distances = [contrast(step, paper) for step in side]
        assert distances == sorted(distances)
        assert neighbours_differ(side)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_signs_of_errors_differ_between_blue_and_orange(scheme: str) -> None:
    # Blue against yellow is what red-green blindness leaves.
    def blueness(colour: str) -> int:
        return int(colour[5:7], 16) - int(colour[1:3], 16)

    steps = scale(scheme, "div")
    assert all(blueness(step) > 0 for step in steps[:MIDDLE])
    assert all(blueness(step) < 0 for step in steps[MIDDLE + 1 :])
    assert luminance(steps[0]) == pytest.approx(luminance(steps[-1]), rel=0.5)
