"""The screens of a run: a zone, a comparison, the models and the alerts, at any width."""

import pandas as pd
import pytest
from rich.console import RenderableType

from rushhour.simulator.terminal.inspect_screens import (
    alerts_screen,
    comparison_screen,
    leaderboard,
    ranked,
    zone_screen,
)
from tests.fixtures.run_views import (
    MODELS,
    NOT_REAL,
    NOT_REAL_LABEL,
    RUN,
    SCORES,
    run_view,
    text_of,
    words,
)


def test_models_are_ranked_by_the_week_then_the_day_and_last_without_history() -> None:
    order = [MODELS.index(model) for model in ranked(run_view(models=SCORES))]
    assert order == [2, 1, 0, 5, 3, 4, 6]


def test_the_leaderboard_shows_all_models_and_marks_the_served_one() -> None:
    shown = words(leaderboard(run_view(models=SCORES)), 120)
    assert "mixture (served) 2.500 2.800 0.304 8.510 -0.310 1.312 90.2 % 1.473" in shown
    assert "model_with_a_name_2 1.000 - - - - - - -" in shown
    assert shown.count("(served)") == 1
    assert all(model in shown for model in MODELS)
    # 24 h and, of the run's first week, 103 hours of 265 zones.
    assert "up to 2024-10-05 06:00: 6,360 zone-hours in 24 h, 27,295 in 168 h" in shown
    assert "MAE of same_hour_last_week" in shown
    assert "of the 90 % intervals" in shown


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
        "predicted_median": [251.5],
        "lower": [201.0],
        "upper": [312.0],
    }
)


SHORT = ["hour", "zone", "predicted", "rides", "error"]
FIGURES = ("254.1234", "250", "4.1234", "251.5", "201.0", "312.0")


@pytest.mark.parametrize(
    ("width", "headers", "figures"),
    [
        (120, list(COMPARISON.columns), FIGURES),
        (90, [*SHORT, "median", "lower", "upper"], FIGURES),
        (65, [*SHORT, "lower", "upper"], (*FIGURES[:3], *FIGURES[4:])),
        (60, [*SHORT, "upper"], (*FIGURES[:3], FIGURES[5])),
        (50, SHORT, FIGURES[:3]),
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
        leaderboard(run_view(NOT_REAL)),
        alerts_screen(NOT_REAL, ALERTS, 20, None),
        alerts_screen(NOT_REAL, ALERTS.iloc[:0], 20, None),
        zone_screen(NOT_REAL, 132, {"name": "JFK Airport"}),
        comparison_screen(NOT_REAL, COMPARISON),
        comparison_screen(NOT_REAL, COMPARISON.iloc[:0]),
    ],
    ids=["models", "alerts", "no-alerts", "zone", "compare", "compare-nothing"],
)
def test_synthetic_and_what_if_runs_are_named_on_every_screen(
    screen: RenderableType,
) -> None:
    assert NOT_REAL_LABEL in words(screen)
