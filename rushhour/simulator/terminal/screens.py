"""The state of a run as a screen, and the tables that the live view shares with it."""

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from rushhour.core.gate import ON_HOUR
from rushhour.core.hours import HOUR_MS, clock_label
from rushhour.core.labels import closed_label, source_label
from rushhour.simulator.run_view import RunView, ZoneRow
from rushhour.simulator.terminal.figures import UNKNOWN, count, figure, percent
from rushhour.simulator.terminal.fitted import Column, FittedTable
from rushhour.simulator.terminal.tables import RATE, facts_grid


def time_label(ts: int | None, unknown: str = UNKNOWN) -> str:
    """Return an instant (epoch ms) for a person."""
    return unknown if ts is None else clock_label(ts)


def status_screen(view: RunView, location: str) -> RenderableType:
    """Return what `rushhour status` shows; `location` names the Redis that was read."""
    facts = facts_grid()
    clock = view.clock
    facts.add_row("replaying", source_label(view.run))
    facts.add_row("read from", location)
    facts.add_row("simulated now", time_label(view.now_ts, "the start"))
    if clock and clock.original_ts not in {None, clock.now_ts}:
        facts.add_row("trips of", time_label(clock.original_ts))
    facts.add_row("state", f"{clock.state} at {clock.speed}" if clock else "starting")
    if view.silent_s is not None:
        facts.add_row("producer", f"does not answer, last heard of {view.silent_s:.0f} s ago")
    if clock and clock.command_error:
        facts.add_row("last command", f"refused: {clock.command_error}")
    _add_gate(facts, view)
    facts.add_row("last hour closed", time_label(view.last_closed_ts))
    add_counts(facts, view)
    facts.add_row("alerts", count(view.count("alerts")))
    return Group(facts, Text(), models_table(view), Text(), zones_table(view.worst))


def gate_label(view: RunView) -> str:
    """Return who is awaited for which hour, and for how long; empty if the run has no gates."""
    gate = view.gate
    if not gate.gates:
        return ""
    if not gate.awaited or (view.clock is not None and view.clock.has_ended):
        return f"nobody is awaited ({', '.join(gate.gates)})"
    awaited = ", ".join(gate.awaited)
    return f"waits {view.awaited_s:.0f} s for {awaited} ({time_label(gate.hour_ts)})"


def _add_gate(facts: Table, view: RunView) -> None:
    """Add who is awaited, and how the command of `--on-hour` is."""
    if view.gate.gates:
        facts.add_row("gate", gate_label(view))
    if view.gate.refused:
        facts.add_row("refused", f"{view.gate.refused} acknowledgements: {view.gate.refusal}")
    command = view.on_hour
    if command is None:
        return
    facts.add_row(
        "on-hour", f"{command.state} for {time_label(command.hour_ts)}: {command.command}"
    )
    if command.state == "failed":
        retry = f"`rushhour resume` runs it again, `rushhour ack {ON_HOUR}` passes over the hour"
        facts.add_row("", f"it {command.reason}: {retry}")
        for line in command.output.splitlines():
            facts.add_row("", f"> {line}")


def add_counts(facts: Table, view: RunView) -> None:
    """Add the counts of a run to a table of facts."""
    facts.add_row("hours closed", closed_label(view.run, view.hours_closed))
    facts.add_row("rides", count(view.count("rides")))
    facts.add_row("rejected rows", rejected_text(view))
    facts.add_row("overlap", overlap_text(view))


def hours_closed(view: RunView) -> str:
    """Return how many hours are closed, for a line: of how many, or in which pass of a loop."""
    if view.run.loop_ts is None:
        return f"{view.hours_closed}/{view.run.hours}"
    next_ts = view.run.start_ts + view.hours_closed * HOUR_MS
    return f"{view.hours_closed} (pass {view.run.pass_of(next_ts)})"


def models_table(view: RunView, limit: int | None = None) -> FittedTable:
    """Return the rolling errors of each model, or of the first ones, over the whole city."""
    table = FittedTable(
        Column(f"model, errors in {RATE}", is_text=True, short=f"model ({RATE})", shrink_to=15),
        Column("MAE 24 h", width=8),
        Column("MAE 168 h", width=9),
        Column("skill 168 h", drop=1),
        Column("coverage 168 h", drop=2, short="coverage"),
    )
    for model in view.run.models[:limit]:
        table.add(
            model,
            figure(view.score(model, "mae_24h"), 2),
            figure(view.score(model, "mae_168h"), 2),
            figure(view.score(model, "skill_168h"), 2),
            percent(view.score(model, "coverage_168h")),
            style="bold" if model == view.served else "",
        )
    return table


def zones_table(worst: tuple[ZoneRow, ...], name_width: int = 0) -> FittedTable:
    """Return the zones with the largest errors of the last 24 h, in rides per hour."""
    table = FittedTable(
        Column("zone", width=4),
        Column("largest errors (rides/h)", is_text=True, shrink_to=12, width=name_width),
        Column("MAE 24 h", width=8),
        Column("last hour", drop=1, width=9),
        Column("next hour", drop=2, width=9),
    )
    for row in worst:
        table.add(
            str(row.id),
            row.name,
            figure(row.mae_24h, 2),
            count(row.rides),
            figure(row.next_prediction, 1),
        )
    return table


def rejected_text(view: RunView) -> str:
    """Return how many rows of the trip file were rejected, and why."""
    found = ", ".join(
        f"{count(rows)} {reason.replace('_', ' ')}"
        for reason, rows in view.rejected.items()
        if rows
    )
    return count(sum(view.rejected.values())) + (f" ({found})" if found else "")


def overlap_text(view: RunView) -> str:
    """Return how many of the due pairs of prediction and rides were scored."""
    if view.overlap is None:
        return UNKNOWN
    scored, due = count(view.count("pairs_scored")), count(view.count("pairs_due"))
    return f"{view.overlap} ({scored} of {due} pairs scored)"
