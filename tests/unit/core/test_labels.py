"""Labels mark synthetic data and what-if runs."""

from dataclasses import replace
from io import StringIO

import pytest
from rich.console import Console, RenderableType

from rushhour.core.hours import HOUR_MS, WEEK_MS
from rushhour.core.labels import closed_hours_label, source_label
from rushhour.core.run import LOOP_END_TS, SYNTHETIC, RunInfo
from rushhour.simulator.run_view import RunView
from rushhour.simulator.terminal.live_screen import live_screen
from rushhour.simulator.terminal.screens import status_screen

START = 1_727_740_800_000  # 2024-10-01 00:00
REAL = RunInfo("id", "green", "2024-10", "a.parquet", "/a.parquet", START, START + 3_600_000)
SURGES = "79:0.5@2024-10-25 18:00,132:2@2024-10-20 00:00"
WHAT_IF = "what if: zone 79 x 0.5 from 2024-10-25 18:00, zone 132 x 2 from 2024-10-20 00:00"


@pytest.mark.parametrize(
    ("run", "label"),
    [
        (REAL, "green 2024-10, a.parquet"),
        (replace(REAL, surge=SURGES), f"green 2024-10, a.parquet, {WHAT_IF}"),
        (
            replace(REAL, source=SYNTHETIC, file=""),
            "green 2024-10, SYNTHETIC (made-up trips from mean rates)",
        ),
        (
            replace(REAL, source=SYNTHETIC, file="", surge=SURGES),
            f"green 2024-10, SYNTHETIC (made-up trips from mean rates), {WHAT_IF}",
        ),
    ],
)
def test_the_source_marks_synthetic_data_and_surges(run: RunInfo, label: str) -> None:
    assert source_label(run) == label


def test_a_loop_has_passes_and_no_end() -> None:
    month = replace(REAL, end_ts=START + WEEK_MS)
    assert closed_hours_label(month, 7) == "7 of 168 hours"
    loop = replace(month, end_ts=LOOP_END_TS, loop_ts=START + WEEK_MS)
    assert closed_hours_label(loop, 2 * WEEK_MS // HOUR_MS) == "336 hours (pass 3 of a loop)"


def shown(screen: RenderableType) -> str:
    console = Console(width=60, file=StringIO(), record=True)
    console.print(screen)
    return " ".join(console.export_text().replace("│", " ").split())


def test_a_narrow_terminal_shows_all_of_a_what_if() -> None:
    run = replace(REAL, surge=SURGES, source=f"{'a-long-name-of-a-file' * 3}.parquet")

    def screens(view: RunView) -> tuple[str, str]:
        live = live_screen(view, (0.0, "-"), {"Redis": "redis://127.0.0.1:6379"}, (60, 24))
        return shown(live), shown(status_screen(view, "the live run"))

    view = RunView(run, None, None, {}, {}, {}, ())
    assert all(WHAT_IF in screen for screen in screens(view))
    assert not any("what if" in screen for screen in screens(replace(view, run=REAL)))
