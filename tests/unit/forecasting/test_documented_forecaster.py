import re
import textwrap
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dataflows.forecasting import engine as forecasting
from dataflows.forecasting.engine import ForecastEngine
from dataflows.forecasting.forecasters import learners, model_names
from rushhour.core.arrays import Counts
from rushhour.core.forecast import Forecast
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
    rides = np.random.default_rng(1).poisson(9, (200, ZONE_COUNT))
    engine = ForecastEngine()
    assert (engine.predict_one(START).by_model["halfway"] == 0).all()
    engine.learn_one(START, rides[0])
    assert np.array_equal(engine.predict_one(START + HOUR_MS).by_model["halfway"], rides[0])
    last = last_forecast(rides)
    assert np.array_equal(last.by_model["halfway"], (rides[-1] + rides[-168]) / 2)
    monkeypatch.undo()
    assert not np.array_equal(last.median, last_forecast(rides).median)


def last_forecast(rides: Counts) -> Forecast:
    """Return the forecast of the hour after `rides`, from models that learned ten hours."""
    engine = ForecastEngine()
    for i, row in enumerate(rides):
        if i >= len(rides) - 10:
            engine.predict_one(START + i * HOUR_MS)
        engine.learn_one(START + i * HOUR_MS, row)
    return engine.predict_one(START + len(rides) * HOUR_MS)


def test_the_page_names_every_model() -> None:
    page = PAGE.read_text("utf-8")
    assert all(f"`{name}`" in page for name in model_names())
