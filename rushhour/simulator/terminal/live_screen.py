"""The live view of a run as one screen that fits the terminal."""

import textwrap
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

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
from rushhour.simulator.terminal.remote.key_map import is_paused, key_help
from rushhour.simulator.terminal.remote.sparkline import LINES, Sparkline
from rushhour.simulator.terminal.screens import (
    gate_label,
    hours_closed,
    models_table,
    time_label,
    zones_table,
)
from rushhour.simulator.terminal.tables import RATE

_FRAME = 4  # columns of the border and its padding
_BORDERS = 2  # lines
_NAME_WIDTH = 30  # of a zone; the longest names are shortened
_WRAPPED_LINES = 3  # of a text that anybody may have written
_STATE_STYLE = {
    "running": "green",
    "stopped": "red",
    "no answer": "red",
    "throttled": "yellow",
    "waiting": "magenta",
    "paused": "cyan",
    "finished": "bold",
}


@dataclass(frozen=True, slots=True)
class Controls:
    """Whether keys are read, and what has to be said of the last command."""

    reads_keys: bool = False
    message: str = ""


NO_CONTROLS = Controls()


@dataclass(frozen=True, slots=True)
class _Part:
    """A part of the screen.

    Parameters
    ----------
    lines
        How many it would like.
    draw
        Returns it with so many lines.
    gives
        Which part gives lines when there are too few: 1 first, 0 never.
    least
        With fewer lines than these it is left out.
    """

    lines: int
    draw: Callable[[int], RenderableType]
    gives: int = 0
    least: int = 1


def live_screen(
    view: RunView,
    rates: tuple[float, str],
    addresses: Mapping[str, str],
    size: tuple[int, int],
    *,
    bars: Sparkline | None = None,
    controls: Controls = NO_CONTROLS,
) -> RenderableType:
    """Return the live view: clock, progress, errors of the models, worst zones, keys.

    Parameters
    ----------
    rates
        Trips per second, and the measured speed as text.
    addresses
        Server -> where it is.
    size
        Columns and lines of the terminal. Where they are few, some parts are left out.
    bars
        The last closed hours.
    """
    width, height = size
    inside = width - _FRAME
    parts = [
        _text(textwrap.wrap(what_if(view.run), inside), "yellow"),
        _facts(_clock(view, *rates), inside),
        _gate(view, inside),
        _facts(_places(addresses), inside, gives=3),
        _Part(1, lambda _: _progress(view), gives=6),
        _Part(LINES, lambda _: bars or Sparkline((), None), gives=5, least=LINES),
        _Part(1, lambda _: Text(), gives=1),
        _Part(len(view.run.models) + 1, lambda n: models_table(view, n - 1), gives=4, least=2),
        _Part(len(view.worst) + 2, lambda n: _zones(view, n - 2), gives=2, least=3),
        _text(_wrapped(controls.message, inside), "yellow"),
        _facts(_keys(view) if controls.reads_keys else [], inside),
    ]
    title = Text(f"rushhour: {data_label(view.run)}")
    title.truncate(inside - 2, overflow="ellipsis")  # Rich would widen the panel
    return Panel(Group(*_fitted(parts, height - _BORDERS)), title=title, width=width)


def _fitted(parts: Sequence[_Part], room: int) -> Iterator[RenderableType]:
    """Yield the parts, with no more lines than there is room for."""
    lines = {id(part): part.lines for part in parts}
    for part in sorted((part for part in parts if part.gives), key=lambda part: part.gives):
        excess = sum(lines.values()) - room
        if excess <= 0:
            break
        left = part.lines - excess
        lines[id(part)] = left if left >= part.least else 0
    return (part.draw(lines[id(part)]) for part in parts if lines[id(part)])


def _text(lines: Sequence[str], style: str) -> _Part:
    return _Part(len(lines), lambda _: Text("\n".join(lines), style))


def _facts(facts: Iterable[Fact], width: int, gives: int = 0) -> _Part:
    row = Facts(facts)
    height = row.height(width)
    return _Part(height, lambda _: row, gives, least=height)


def _zones(view: RunView, rows: int) -> RenderableType:
    return Group(Text(), zones_table(view.worst[:rows], _NAME_WIDTH))


def _wrapped(text: str, width: int) -> list[str]:
    """Return a text that others may have written as a few lines at most."""
    return textwrap.wrap(text, width, max_lines=_WRAPPED_LINES, placeholder=" ...")


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


def _gate(view: RunView, width: int) -> _Part:
    """Return who is awaited, on lines of its own; none if the run has no gates."""
    command = view.on_hour
    if command is not None and command.state == "failed":
        last_line = command.output.rpartition("\n")[2]
        failed = f"gate {ON_HOUR} failed: it {command.reason}"
        return _text(_wrapped(f"{failed}: {last_line}" if last_line else failed, width), "red")
    label = gate_label(view)
    style = "magenta" if view.awaited_s else ""
    return _text(_wrapped(f"gate {label}", width) if label else [], style)


def _original(view: RunView) -> list[Fact]:
    """Return which time of the trip file plays, if it is another one than simulated time."""
    if view.clock is None or view.clock.original_ts in {None, view.clock.now_ts}:
        return []
    return [Fact(f"trips of {time_label(view.clock.original_ts)}", 25)]


def _progress(view: RunView) -> RenderableType:
    """Return how far the run is; in a loop, how far its pass is."""
    run, next_ts = view.run, view.run.start_ts + view.hours_closed * HOUR_MS
    first, end = run.start_ts, run.first_pass_end_ts
    if run.pass_of(next_ts) > 1:
        first = end - run.loop_weeks * WEEK_MS
        next_ts = run.original_ts(next_ts) + run.shift_ms
    bar = ProgressBar(total=end - first, completed=next_ts - first)
    return Group(bar, Text())  # a bar ends no line


def _places(addresses: Mapping[str, str]) -> list[Fact]:
    return [Fact(f"{name} {address}", style="dim") for name, address in addresses.items()]


def _keys(view: RunView) -> list[Fact]:
    """Return what each key does."""
    return [
        Fact(f"[{key}] {meaning}", len("[space] resume") * (key == "space"), "dim")
        for key, meaning in key_help(paused=is_paused(view.clock))
    ]
