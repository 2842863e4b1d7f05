"""The live screen fits a small terminal, and does not move while figures change."""

from dataclasses import replace

import pytest

from rushhour.core.run import RunInfo
from rushhour.simulator.run_view import ZoneRow
from rushhour.simulator.terminal.live_screen import live_screen
from tests.fixtures.run_views import MODELS, NOT_REAL, RUN, SCORES, run_view, text_of


@pytest.mark.parametrize("width", [60, 80, 120])
@pytest.mark.parametrize("run", [RUN, NOT_REAL], ids=["real", "what-if"])
def test_the_live_screen_fits_a_small_terminal_with_models_and_addresses(
    width: int, run: RunInfo
) -> None:
    row = ZoneRow(93, "Flushing Meadows-Corona Park", 99.5, 123, 130.5)
    full = replace(run_view(run, SCORES), worst=(row,) * 5)
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
