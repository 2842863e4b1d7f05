"""The live view of a run as one screen that fits the terminal."""

import textwrap
from collections.abc import Mapping

from rich.console import Group, RenderableType
from rich.panel import Panel
from rich.progress_bar import ProgressBar
from rich.text import Text

from rushhour.core.gate import ON_HOUR
from rushhour.core.hours import HOUR_MS, WEEK_MS
from rushhour.core.labels import data_label, what_if
from rushhour.simulator.run_view import RunView
from rushhour.simulator.terminal.figures import count, figure
from rushhour.simulator.terminal.fitted import Fact, Facts
from rushhour.simulator.terminal.screens import (
    gate_label,
    hours_closed,
    models_table,
    time_label,
    zones_table,
)
from rushhour.simulator.terminal.tables import RATE

_FRAME = 4  # columns of the border and its padding
_OTHER_LINES = len(("border", "progress", "blank", "models", "blank", "zones", "border"))
_NAME_WIDTH = 30  # of a zone; the longest names are shortened
_STATE_STYLE = {
    "running": "green",
    "stopped": "red",
    "no answer": "red",
    "throttled": "yellow",
    "waiting": "magenta",
    "paused": "cyan",
    "finished": "bold",
}


def live_screen(
    view: RunView,
    rates: tuple[float, str],
    addresses: Mapping[str, str],
    size: tuple[int, int],
) -> RenderableType:
    """Return the live view: clock, progress, errors of the models, worst zones.

    Parameters
    ----------
    rates
        Trips per second, and the measured speed as text.
    addresses
        Server -> where it is.
    size
        Columns and lines of the terminal. The zones get the lines that the rest leaves.
    """
    width, height = size
    inside = width - _FRAME
    facts = Facts([*_clock(view, *rates), *_gate(view, inside), *_places(addresses)])
    what_if_lines = textwrap.wrap(what_if(view.run), inside)
    used = facts.height(inside) + len(what_if_lines) + len(view.run.models)
    rest = height - used - _OTHER_LINES
    title = Text(f"rushhour: {data_label(view.run)}")
    title.truncate(inside - 2, overflow="ellipsis")  # Rich would widen the panel
    zones = (Text(), zones_table(view.worst[:rest], _NAME_WIDTH)) if rest > 0 else ()
    return Panel(
        Group(
            *(Text(line, style="yellow") for line in what_if_lines),
            facts,
            _progress(view),
            Text(),
            models_table(view),
            *zones,
        ),
        title=title,
        width=width,
    )


def _clock(view: RunView, trips_per_s: float, pace: str) -> list[Fact]:
    """Return what changes all the time, each in a place that is wide enough for a whole run."""
    clock = view.clock
    state: str = clock.state if clock else "starting"
    if view.silent_s is not None:
        state = "no answer"
    speed = clock.speed if clock else "-"
    return [
        Fact(time_label(view.now_ts, "the start"), 16, "bold"),
        Fact(state, 9, _STATE_STYLE.get(state, "")),
        Fact(f"speed {speed}, now {pace}", 25),
        Fact(f"{trips_per_s:,.0f} trips/s", 15),
        Fact(f"hours closed {hours_closed(view)}", 20),
        *_original(view),
        Fact(f"rides {count(view.count('rides'))}", 15),
        Fact(f"overlap {figure(view.overlap, 4)}", 14),
        Fact(f"alerts {count(view.count('alerts'))}", 12),
        Fact(f"city next hour {figure(view.next_prediction, 1)} {RATE}", 31),
    ]


def _original(view: RunView) -> list[Fact]:
    """Return which time of the trip file plays, if it is another one than simulated time."""
    if view.clock is None or view.clock.original_ts in {None, view.clock.now_ts}:
        return []
    return [Fact(f"trips of {time_label(view.clock.original_ts)}", 25)]


def _progress(view: RunView) -> ProgressBar:
    """Return how far the run is; in a loop, how far its pass is."""
    run, next_ts = view.run, view.run.start_ts + view.hours_closed * HOUR_MS
    first, end = run.start_ts, run.first_pass_end_ts
    if run.pass_of(next_ts) > 1:
        first = end - run.loop_weeks * WEEK_MS
        next_ts = run.original_ts(next_ts) + run.shift_ms
    return ProgressBar(total=end - first, completed=next_ts - first)


def _gate(view: RunView, width: int) -> list[Fact]:
    """Return who is awaited, on a line of its own; nothing if the run has no gates."""
    if not view.gate.gates:
        return []
    label, style = f"gate {gate_label(view)}", ""
    if view.on_hour is not None and view.on_hour.state == "failed":
        label, style = f"gate {ON_HOUR} failed: it {view.on_hour.reason}", "red"
    return [Fact(label, width, style)]


def _places(addresses: Mapping[str, str]) -> list[Fact]:
    return [Fact(f"{name} {address}", style="dim") for name, address in addresses.items()]
