"""What `rushhour manifest` shows: a manifest, and how two of them differ."""

from collections.abc import Sequence

from rich.console import Group, RenderableType
from rich.text import Text

from rushhour.core.hours import clock_label
from rushhour.core.labels import closed_hours_label, content_label, run_label
from rushhour.core.timeline import TimelineEntry
from rushhour.simulator.documents.manifest import Manifest
from rushhour.simulator.documents.manifest_differences import ManifestDifference
from rushhour.simulator.terminal.fitted import Column, FittedTable
from rushhour.simulator.terminal.tables import facts_grid, note

_CHANGES = {
    "result": ("can change the result", "red"),
    "submissions": ("changes keys of submissions only", "yellow"),
    "nothing": ("cannot change the result", "dim"),
}
_SHOWN_COMMANDS = 20


def manifest_screen(manifest: Manifest) -> RenderableType:
    """Return a manifest for a person; the last commands only, if they are many."""
    run, end = manifest.run_info, manifest.end
    facts = facts_grid()
    facts.add_row("run", run.run_id)
    if manifest.repeats:
        facts.add_row("repeats run", manifest.repeats)
    facts.add_row("replays", run_label(run))
    for file in run.trip_files:
        facts.add_row("trip file", file.path)
        facts.add_row("", content_label(file))
    if run.warm_sha256:
        facts.add_row("begins with", run.warm_origin)
        facts.add_row("", f"{run.warm_start}, sha256 {run.warm_sha256}")
    facts.add_row("models", ", ".join(run.models))
    facts.add_row("options", _pairs(manifest.options))
    facts.add_row("versions", _pairs(manifest.versions))
    part = "" if end.is_whole else ", and a part of the next"
    facts.add_row(
        "ended" if end.state in {"stopped", "finished"} else "so far",
        f"{end.state} at {clock_label(end.simulated_ts)}, "
        f"{closed_hours_label(run, end.hours_closed)} closed{part}",
    )
    submitted = manifest.submissions
    if submitted.taken or submitted.rejected:
        taken, rejected = (_pairs(each, ": ") for each in (submitted.taken, submitted.rejected))
        facts.add_row("submissions", f"taken {taken or 'none'}; rejected {rejected or 'none'}")
        facts.add_row("", "no part of the manifest: a repetition does not have them")
    if manifest.skipped:
        facts.add_row("passed over", f"{manifest.skipped:,} records")
    return Group(facts, Text(), *_commands(manifest))


def _commands(manifest: Manifest) -> tuple[RenderableType, ...]:
    entries = manifest.timeline
    if not entries:
        return (note("no commands to the clock"),)
    table = FittedTable(
        Column("", is_text=False),
        Column("simulated time", is_text=True),
        Column("command", is_text=True),
        Column("refused because", is_text=True, shrink_to=20),
    )
    for entry in entries[-_SHOWN_COMMANDS:]:
        table.add(str(entry.number), clock_label(entry.now_ts), _text(entry), entry.error)
    before = entries[-_SHOWN_COMMANDS:][0].number - 1
    parts: tuple[RenderableType, ...] = (table,)
    if before:
        left_out = manifest.commands_left_out
        kept = f", of which {left_out:,} were not kept" if left_out else ""
        parts += (note(f"{before:,} commands before these{kept}: `rushhour manifest --json`"),)
    return parts


def _text(entry: TimelineEntry) -> str:
    return f"{entry.command} {entry.value}".strip() or "?"


def _pairs(values: dict[str, str] | dict[str, int], separator: str = " ") -> str:
    return ", ".join(f"{name}{separator}{value}" for name, value in values.items() if value != "")


def differences_screen(found: Sequence[ManifestDifference]) -> RenderableType:
    """Return how two manifests differ, what can change the result first."""
    if not found:
        return Text("the manifests do not differ", style="green")
    table = FittedTable(
        Column("", is_text=True),
        Column("first", is_text=True, shrink_to=12),
        Column("second", is_text=True, shrink_to=12),
        Column("", is_text=True),
    )
    order = list(_CHANGES)
    for each in sorted(found, key=lambda each: order.index(each.changes)):
        words, style = _CHANGES[each.changes]
        table.add(each.name, each.first, each.second, words, style=style)
    return table
