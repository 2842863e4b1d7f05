"""The picture of a backtest: a PNG of a fixed size that depends on the zone and the rides."""

import struct
from pathlib import Path

import numpy as np
import pytest

from rushhour.core.forecast import Forecast
from rushhour.core.models import REFERENCE
from rushhour.core.zones import ZONE_COUNT
from rushhour.simulator.evaluation.run_arrays import RunArrays
from rushhour.simulator.terminal.plot import SIZE_PX, draw

START = 1_727_740_800_000


def forecasts(hours: int, seed: int = 7) -> RunArrays:
    random = np.random.default_rng(seed)
    rides = random.poisson(50, (hours, ZONE_COUNT)).astype(np.float64)
    served = np.full_like(rides, 50.0)
    reference = np.full_like(rides, np.nan)
    reference[168:] = rides[:-168]
    by_model = {"mixture": served, REFERENCE: reference}
    forecast = Forecast(START, by_model, served + 1, served - 12, served + 12)
    return RunArrays(rides, forecast, np.full_like(rides, np.nan))


def size_of(png: Path) -> tuple[int, int]:
    header = png.read_bytes()[:24]
    assert header.startswith(b"\x89PNG\r\n\x1a\n")
    width, height = struct.unpack(">II", header[16:24])
    return width, height


@pytest.mark.parametrize("hours", [1, 30, 168, 400])
def test_a_run_of_any_length_is_drawn_in_the_same_size(tmp_path: Path, hours: int) -> None:
    path = tmp_path / "a.png"
    draw(forecasts(hours), 132, "green 2024-10, a $1 file_$2.parquet", path)
    assert size_of(path) == SIZE_PX == (1440, 960)


def test_a_long_label_and_another_zone_leave_the_size_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    label = "what if: " + ", ".join(f"zone {zone} x 2 from 2024-10-20 00:00" for zone in range(9))
    draw(forecasts(200), 265, label, path)
    assert size_of(path) == SIZE_PX


def test_the_picture_depends_on_the_zone_and_on_the_rides(tmp_path: Path) -> None:
    paths = [tmp_path / f"{i}.png" for i in range(4)]
    draw(forecasts(200), 132, "a", paths[0])
    draw(forecasts(200), 132, "a", paths[1])
    draw(forecasts(200), 133, "a", paths[2])
    draw(forecasts(200, seed=8), 132, "a", paths[3])
    same, again, *others = (path.read_bytes() for path in paths)
    assert same == again
    assert same not in others


def test_the_last_week_is_drawn(tmp_path: Path) -> None:
    late = forecasts(170)  # two scored hours after the warm-up
    early = forecasts(170)
    early.rides[:2] += 30.0  # neither scored nor in the last week
    paths = (tmp_path / "late.png", tmp_path / "early.png")
    for path, each in zip(paths, (late, early), strict=True):
        draw(each, 132, "a", path)
    assert paths[0].read_bytes() == paths[1].read_bytes()


def test_a_picture_that_cannot_be_written_is_an_os_error(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="No such file"):
        draw(forecasts(30), 1, "a", tmp_path / "missing" / "a.png")
