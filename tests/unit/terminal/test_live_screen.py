"""The live screen fits a small terminal, and does not move while figures change."""

from dataclasses import replace

import pytest

from rushhour.core.gate import GateStatus, HourCommand
from rushhour.core.run import RunInfo
from rushhour.simulator.run_view import ZoneRow
from rushhour.simulator.terminal.live_screen import Controls, live_screen
from rushhour.simulator.terminal.remote.sparkline import Sparkline
from rushhour.storage.recent_hours import CityHour
from tests.fixtures.run_views import LAST, MODELS, NOT_REAL, RUN, SCORES, run_view, text_of

ROW = ZoneRow(93, "Flushing Meadows-Corona Park", 99.5, 123, 130.5)
ADDRESSES = {"Kafka": "127.0.0.1:40123 (embedded)", "Redis": "redis://127.0.0.1:6379"}
HOURS = [CityHour(LAST, 5_000, None), CityHour(LAST, 10_000, 5_001.4)]
BARS = Sparkline(HOURS, 7_500.0)
KEYS = ("[space] pause", "[+ -] speed", "[s] step 1h", "[q] quit")


@pytest.mark.parametrize("width", [60, 80, 120])
@pytest.mark.parametrize("run", [RUN, NOT_REAL], ids=["real", "what-if"])
def test_the_live_screen_fits_a_small_terminal_with_models_and_addresses(
    width: int, run: RunInfo
) -> None:
    full = replace(run_view(run, SCORES), worst=(ROW,) * 5)
    size = (width, 27 if width < 80 else 24)
    screen = live_screen(full, (1e6, "999.9h/s"), ADDRESSES, size, controls=Controls(True))
    shown = text_of(screen, width)
    assert len(shown.splitlines()) <= size[1]
    assert {len(line) for line in shown.splitlines()} == {width}
    assert all(model in shown for model in MODELS)
    assert all(address in shown for address in ADDRESSES.values())
    assert all(key in shown for key in KEYS)
    assert "2.50" in shown
    assert "93" in shown
    assert ("SYNTHETIC" in shown) == (run is NOT_REAL)


def test_the_live_screen_does_not_move_as_figures_grow() -> None:
    small = replace(run_view(models=SCORES), quality={"hours_closed": "1", "rides": "7"}, city={})
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


@pytest.mark.parametrize("height", [*range(12, 40)])
@pytest.mark.parametrize("width", [40, 80])
def test_what_matters_most_is_left_where_lines_are_few(width: int, height: int) -> None:
    """Zones give way first, then addresses, models, bars, progress."""
    refusal = "refused: " + "no such hour " * 40
    full = replace(run_view(RUN, SCORES), worst=(ROW,) * 5)
    controls = Controls(True, refusal)
    screen = live_screen(
        full, (1e6, "1h/s"), ADDRESSES, (width, height), bars=BARS, controls=controls
    )
    shown = text_of(screen, width).splitlines()
    text = "\n".join(shown)
    assert {len(line) for line in shown} == {width}
    if len(shown) > height:
        assert not any(part in text for part in ("Kafka", "mixture", "predicted", "━", "zone "))
    assert all(key in text for key in ("no such hour", "speed", *KEYS))
    order = ("━", "predicted", "mixture", "Kafka", "93")
    there = [part in text for part in order]
    assert there == sorted(there, reverse=True)


def test_hours_are_bars_on_one_scale_with_the_next_prediction_ahead() -> None:
    shown = text_of(live_screen(run_view(), (0.0, "-"), {}, (60, 30), bars=BARS), 60)
    rides, predicted = (line.strip("│ ") for line in shown.splitlines() if "▅" in line)
    assert rides.split() == ["rides", "▅█", "10,000"]
    assert predicted.split() == ["predicted", "▅▆", "5,001"]
    assert rides.index("█") == predicted.index("▅")


def test_no_keys_are_told_where_none_are_read() -> None:
    assert "[q]" not in text_of(live_screen(run_view(), (0.0, "-"), {}, (80, 24)))


def test_a_failed_command_of_on_hour_is_told_with_its_last_line() -> None:
    command = HourCommand("false", LAST, "failed", 0, "ended with exit code 1", "a\nno such table")
    view = replace(run_view(), gate=GateStatus(("on-hour",)), on_hour=command)
    shown = text_of(live_screen(view, (0.0, "-"), {}, (80, 24)))
    assert "gate on-hour failed: it ended with exit code 1: no such table" in shown
