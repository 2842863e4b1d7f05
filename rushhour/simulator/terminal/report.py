"""The report at the end of a run: what was replayed, how well it was forecast, what it cost."""

from collections.abc import Mapping

from rich import box
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from rushhour.core.labels import source_label
from rushhour.simulator.evaluation.scoring import Evaluation
from rushhour.simulator.stack.child_process import Cost
from rushhour.simulator.terminal.run_view import RunView
from rushhour.simulator.terminal.screens import overlap_text, rejected_text
from rushhour.simulator.terminal.tables import scores_by_model

_MIB = 1024 * 1024


def report(snapshot: RunView, evaluation: Evaluation) -> RenderableType:
    """Return the report on the run and its forecasts."""
    facts = Table.grid(padding=(0, 2))
    facts.add_column(style="dim")
    facts.add_column()
    facts.add_row("replayed", source_label(snapshot.run))
    facts.add_row("hours closed", f"{snapshot.hours_closed} of {snapshot.run.hours}")
    facts.add_row("rides", f"{int(snapshot.quality.get('rides', 0)):,}")
    facts.add_row("rows set aside", rejected_text(snapshot.quality))
    facts.add_row("overlap", overlap_text(snapshot.quality))
    return Group(facts, Text(), scores_by_model(evaluation))


def costs_report(costs: Mapping[str, Cost | None], wall_s: float, trips: int) -> RenderableType:
    """Return what each process used."""
    title = f"cost: {wall_s:.1f} s of wall time, {trips / wall_s:,.0f} trips/s"
    table = Table(box=box.SIMPLE_HEAD)
    table.add_column("process")
    table.add_column("CPU s", justify="right")
    table.add_column("peak memory", justify="right")
    for name, cost in costs.items():
        if cost is not None:
            table.add_row(name, f"{cost.cpu_s:.1f}", f"{cost.peak_bytes / _MIB:.0f} MiB")
    return Group(Text(title, style="italic"), table)
