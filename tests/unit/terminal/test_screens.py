"""What is shown of a run: every model of it, the best first, and within a small terminal."""

from dataclasses import replace
from io import StringIO

import pandas as pd
import pytest
from rich.console import Console, RenderableType

from rushhour.core.run import SYNTHETIC, RunInfo
from rushhour.simulator.run_view import RunView, ZoneRow
from rushhour.simulator.terminal.inspect_screens import (
    alerts_screen,
    comparison_screen,
    leaderboard,
    ranked,
    zone_screen,
)
from rushhour.simulator.terminal.live_screen import live_screen

START = 1_727_740_800_000  # 2024-10-01 00:00
LAST = START + 102 * 3_600_000  # 2024-10-05 06:00
MODELS = ("mixture", *(f"model_with_a_name_{i}" for i in range(6)))
RUN = RunInfo(
    "id", "green", "2024-10", "a.parquet", "/a", START, START + 744 * 3_600_000, models=MODELS
)
SURGE = "132:2@2024-10-20"
NOT_REAL = replace(RUN, source=SYNTHETIC, file="", surge=SURGE)
SAYS_SO = (
    "green 2024-10, SYNTHETIC (made-up trips from mean rates), "
    "what if: zone 132 x 2 from 2024-10-20 00:00"
)


def text_of(screen: RenderableType, width: int = 80) -> str:
    console = Console(width=width, file=StringIO(), record=True, highlight=False, markup=False)
    console.print(screen)
    return console.export_text()


def words(screen: RenderableType, width: int = 80) -> str:
    return " ".join(text_of(screen, width).split())


def snapshot(run: RunInfo = RUN, models: dict[str, dict[str, str]] | None = None) -> RunView:
    return RunView(run, None, LAST, {}, {"hours_closed": "103", "rides": "12345"}, models or {}, ())


SCORES = {
    "mixture": {
        "mae_24h": "2.5", "mae_168h": "2.8", "rmse_168h": "8.51", "bias_168h": "-0.31",
        "skill_168h": "0.304", "coverage_168h": "0.9016",
    },
    "model_with_a_name_0": {"mae_24h": "2.4", "mae_168h": "2.8"},
    "model_with_a_name_1": {"mae_24h": "9.0", "mae_168h": "2.7"},
    "model_with_a_name_2": {"mae_24h": "1.0", "mae_168h": "n/a"},
    "model_with_a_name_4": {"mae_24h": "10.0", "mae_168h": "10.0"},
}  # fmt: skip


def test_models_are_ranked_by_the_week_then_by_the_day_and_those_without_past_come_last() -> None:
    order = [MODELS.index(model) for model in ranked(snapshot(models=SCORES))]
    assert order == [2, 1, 0, 5, 3, 4, 6]


def test_the_leaderboard_shows_all_models_and_marks_what_is_served() -> None:
    shown = words(leaderboard(snapshot(models=SCORES)))
    assert "mixture (served) 2.500 2.800 8.510 -0.310 0.304 90.2 %" in shown
    assert "model_with_a_name_2 1.000 - - - - -" in shown
    assert shown.count("(served)") == 1
    assert all(model in shown for model in MODELS)
    # 24 h and, of the run's first week, 103 hours of 265 zones.
    assert "up to 2024-10-05 06:00: 6,360 zone-hours in 24 h, 27,295 in 168 h" in shown
    assert "MAE of same_hour_last_week" in shown
    assert "within the 90 % intervals" in shown


ALERTS = pd.DataFrame(
    {
        "pickup_hour": pd.to_datetime(
            ["2024-10-02 07:00", "2024-10-03 01:00", "2024-10-03 01:00"], utc=True
        ),
        "pickup_location_id": [132, 7, 4],
        "direction": ["above", "below", "above"],
        "relative_change": [1.234, -0.5, 19.76],
    }
)


def test_alerts_are_shown_newest_first_with_names_and_percent() -> None:
    lines = text_of(alerts_screen(RUN, ALERTS, last=2, zone=None)).splitlines()
    rows = [" ".join(line.split()) for line in lines if line.strip().startswith("2024-")]
    assert rows == [
        "2024-10-03 01:00 4 Alphabet City above +1,976 %",
        "2024-10-03 01:00 7 Astoria below -50 %",
    ]
    assert "2 of 3 alerts, the newest first" in "\n".join(lines)


def test_a_run_without_alerts_shows_none() -> None:
    none = ALERTS.iloc[:0]
    assert text_of(alerts_screen(RUN, none, 20, None)).startswith("no alerts\n")
    assert text_of(alerts_screen(RUN, none, 20, 132)).startswith("no alerts of zone 132, JFK")


COMPARISON = pd.DataFrame(
    {
        "pickup_hour": pd.to_datetime(["2024-10-02 07:00"], utc=True),
        "pickup_location_id": [132],
        "predicted_demand": [254.1234],
        "rides": [250],
        "prediction_error": [4.1234],
        "lower": [201.0],
        "upper": [312.0],
    }
)


FIGURES = ("254.1234", "250", "4.1234", "201.0", "312.0")


@pytest.mark.parametrize(
    ("width", "headers", "figures"),
    [
        (100, list(COMPARISON.columns), FIGURES),
        (80, ["hour", "zone", "predicted", "rides", "error", "lower", "upper"], FIGURES),
        (60, ["hour", "zone", "predicted", "rides", "error", "upper"], (*FIGURES[:3], FIGURES[4])),
        (50, ["hour", "zone", "predicted", "rides", "error"], FIGURES[:3]),
    ],
)
def test_a_comparison_shortens_headers_and_drops_columns_but_cuts_no_figure(
    width: int, headers: list[str], figures: tuple[str, ...]
) -> None:
    lines = text_of(comparison_screen(RUN, COMPARISON), width).splitlines()
    assert lines[0].split() == headers
    assert lines[1].split() == ["2024-10-02", "07:00", "132", *figures]


@pytest.mark.parametrize(
    "screen",
    [
        leaderboard(snapshot(NOT_REAL)),
        alerts_screen(NOT_REAL, ALERTS, 20, None),
        alerts_screen(NOT_REAL, ALERTS.iloc[:0], 20, None),
        zone_screen(NOT_REAL, 132, {"name": "JFK Airport"}),
        comparison_screen(NOT_REAL, COMPARISON),
        comparison_screen(NOT_REAL, COMPARISON.iloc[:0]),
    ],
    ids=["models", "alerts", "no-alerts", "zone", "compare", "compare-nothing"],
)
def test_made_up_and_what_if_runs_are_named_wherever_a_run_is_looked_at(
    screen: RenderableType,
) -> None:
    assert SAYS_SO in words(screen)


@pytest.mark.parametrize("width", [60, 80, 120])
@pytest.mark.parametrize("run", [RUN, NOT_REAL], ids=["real", "what-if"])
def test_the_live_screen_fits_a_small_terminal_with_models_and_addresses(
    width: int, run: RunInfo
) -> None:
    row = ZoneRow(93, "Flushing Meadows-Corona Park", 99.5, 123, 130.5)
    full = replace(snapshot(run, SCORES), worst=(row,) * 5)
    addresses = {"Kafka": "127.0.0.1:40123 (embedded)", "Redis": "redis://127.0.0.1:6379"}
    shown = text_of(live_screen(full, (1e6, "999.9h/s"), addresses, (width, 23)), width)
    assert len(shown.splitlines()) <= 23
    assert {len(line) for line in shown.splitlines()} == {width}
    assert all(model in shown for model in MODELS)
    assert all(address in shown for address in addresses.values())
    assert "2.50" in shown
    assert "93" in shown
    assert ("SYNTHETIC" in shown) == (run is NOT_REAL)


def test_the_live_screen_does_not_move_as_figures_grow() -> None:
    small = replace(snapshot(models=SCORES), quality={"hours_closed": "1", "rides": "7"}, city={})
    large = replace(
        small,
        quality={"hours_closed": "744", "rides": "3833731", "overlap": "1.0", "alerts": "126"},
    )
    screens = [
        text_of(live_screen(view, rates, {}, (77, 23)), 80).splitlines()
        for view, rates in ((small, (0.0, "-")), (large, (200_000.0, "999.9h/s")))
    ]
    assert len(screens[0]) == len(screens[1])
    for word in ("speed", "overlap", "alerts", "city"):
        assert [line.find(word) for line in screens[0]] == [line.find(word) for line in screens[1]]
