"""What a run looks like on a terminal: Rich renderables made from snapshots, nothing else."""

from rich.console import Group, RenderableType
from rich.panel import Panel
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from rushhour.core.hours import clock_label
from rushhour.core.labels import data_label, hour_name, source_label, what_if
from rushhour.simulator.terminal.run_view import RunView

_STATE_STYLE = {
    "running": "green",
    "stopped": "red",
    "throttled": "yellow",
    "paused": "cyan",
    "finished": "bold",
}


def now_label(snapshot: RunView) -> str:
    """Say what time it is in the simulation."""
    return "the start" if snapshot.now_ts is None else clock_label(snapshot.now_ts)


def live_screen(
    snapshot: RunView, trips_per_s: float, pace: str, width: int | None = None
) -> RenderableType:
    """Return the live view: clock, progress, errors against the baselines, worst zones."""
    surges = what_if(snapshot.run)
    return Panel(
        Group(
            # At the top, for a small terminal cuts off subtitles and what is at the bottom.
            *([Text(surges, style="yellow")] if surges else []),
            _clock(snapshot, trips_per_s, pace),
            ProgressBar(total=snapshot.run.hours, completed=snapshot.hours_closed),
            Text(),
            models_table(snapshot),
            Text(),
            zones_table(snapshot),
        ),
        title="rushhour",
        subtitle=Text(data_label(snapshot.run)),
        width=width,
    )


def status_screen(snapshot: RunView) -> RenderableType:
    """Return what `rushhour status` shows."""
    facts = facts_grid()
    clock = snapshot.clock
    facts.add_row("replaying", source_label(snapshot.run))
    facts.add_row("simulated now", now_label(snapshot))
    facts.add_row("state", f"{clock.state} at {clock.speed}" if clock else "starting")
    if clock and clock.command_error:
        facts.add_row("last command", f"not obeyed: {clock.command_error}")
    facts.add_row("last hour closed", hour_name(snapshot.last_hour_closed))
    facts.add_row("hours closed", f"{snapshot.hours_closed} of {snapshot.run.hours}")
    facts.add_row("rides", _thousands(snapshot.quality.get("rides", "0")))
    facts.add_row("rejected rows", rejected_text(snapshot.quality))
    facts.add_row("overlap", overlap_text(snapshot.quality))
    facts.add_row("alerts", _thousands(snapshot.quality.get("alerts", "0")))
    return Group(facts, Text(), models_table(snapshot), Text(), zones_table(snapshot))


def models_table(snapshot: RunView) -> Table:
    """Return rolling errors of each model over the whole city, in few lines: screens are small."""
    table = Table(
        box=None,
        padding=(0, 1),
        title="mean absolute error over 265 zones, rides an hour",
        title_justify="left",
    )
    table.add_column("model")
    for name in ("24 h", "168 h", "skill 168 h", "coverage 168 h"):
        table.add_column(name, justify="right")
    for model in snapshot.run.models:
        table.add_row(
            model,
            *(snapshot.score(model, field) for field in ("mae_24h", "mae_168h", "skill_168h")),
            snapshot.share(model, "coverage_168h"),
            style="bold" if model == snapshot.served else "",
        )
    return table


def zones_table(snapshot: RunView) -> Table:
    """Return the zones with the largest errors of the last 24 h."""
    table = Table(
        box=None, padding=(0, 1), title="zones with the largest errors", title_justify="left"
    )
    table.add_column("zone", justify="right")
    table.add_column("name", no_wrap=True)
    for name in ("MAE 24 h", "last hour", "next hour"):
        table.add_column(name, justify="right")
    for line in snapshot.worst:
        expected = _rounded(line.next_prediction)
        table.add_row(str(line.id), line.name, f"{line.mae_24h:.2f}", line.rides, expected)
    return table


def rejected_text(quality: dict[str, str]) -> str:
    """Return how many rows of the file were set aside, and why."""
    prefix = "rejected:"
    reasons = {
        field.removeprefix(prefix).replace("_", " "): int(count)
        for field, count in quality.items()
        if field.startswith(prefix)
    }
    found = ", ".join(f"{count} {reason}" for reason, count in reasons.items() if count)
    return f"{sum(reasons.values()):,}" + (f" ({found})" if found else "")


def overlap_text(quality: dict[str, str]) -> str:
    """Return how many of the due pairs of prediction and rides were scored."""
    if "overlap" not in quality:
        return "-"
    scored, due = quality["pairs_scored"], quality["pairs_due"]
    return f"{quality['overlap']} ({_thousands(scored)} of {_thousands(due)} pairs scored)"


def _clock(snapshot: RunView, trips_per_s: float, pace: str) -> Table:
    grid = Table.grid(expand=True, padding=(0, 2))
    for _ in range(4):
        grid.add_column()
    clock = snapshot.clock
    state = clock.state if clock else "starting"
    speed = clock.speed if clock else "-"
    grid.add_row(
        Text(now_label(snapshot), style="bold"),
        Text(state, style=_STATE_STYLE.get(state, "")),
        f"asked {speed}, now {pace}",
        f"{trips_per_s:,.0f} trips/s",
    )
    grid.add_row(
        f"hours closed {snapshot.hours_closed}/{snapshot.run.hours}",
        f"rides {_thousands(snapshot.quality.get('rides', '0'))}",
        f"overlap {snapshot.quality.get('overlap', '-')}"
        f", alerts {snapshot.quality.get('alerts', '0')}",
        f"city next hour {_rounded(snapshot.city.get('next_prediction', '-'))}",
    )
    return grid


def facts_grid() -> Table:
    """Return an empty table of facts: a name and a value a row."""
    grid = Table.grid(padding=(0, 2))
    grid.add_column(style="dim")
    grid.add_column()
    return grid


def _rounded(text: str) -> str:
    return f"{float(text):,.1f}" if text != "-" else text


def _thousands(text: str) -> str:
    return f"{int(text):,}"
