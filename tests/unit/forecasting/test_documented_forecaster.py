import re
import textwrap
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dataflows.counting import CityHour
from dataflows.forecasting import engine as forecasting
from dataflows.forecasting.engine import HourlyForecasting
from dataflows.forecasting.forecasters import learners, model_names
from rushhour.core.hours import HOUR_MS
from rushhour.core.zones import ZONE_COUNT

START = 1_727_740_800_000
PAGE = Path(__file__).parents[3] / "docs" / "forecasting.md"


def forecaster_of_the_page() -> Any:
    blocks = re.findall(r"^ *```python\n(.*?)^ *```", PAGE.read_text("utf-8"), re.S | re.M)
    assert len(blocks) == 1
    names: dict[str, Any] = {}
    exec(compile(textwrap.dedent(blocks[0]), str(PAGE), "exec"), names)
    return names["Halfway"]()


def test_the_forecaster_of_the_page_is_scored_and_mixed_in(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(forecasting, "learners", lambda: (*learners(), forecaster_of_the_page()))
    engine = HourlyForecasting()
    rides = np.random.default_rng(1).poisson(9, (200, ZONE_COUNT))
    hours = [CityHour(START, None)]
    hours += [CityHour(START + i * HOUR_MS, row) for i, row in enumerate(rides)]
    forecasts = [engine.update(hour).forecast for hour in hours]
    assert (forecasts[0].by_model["halfway"] == 0).all()
    assert np.array_equal(forecasts[1].by_model["halfway"], rides[0])
    assert np.array_equal(forecasts[-1].by_model["halfway"], (rides[-1] + rides[-168]) / 2)
    monkeypatch.undo()
    engine = HourlyForecasting()
    without = [engine.update(hour).forecast for hour in hours]
    assert not np.array_equal(forecasts[-1].served, without[-1].served)


def test_the_page_names_every_model() -> None:
    page = PAGE.read_text("utf-8")
    assert all(f"`{name}`" in page for name in model_names())
