"""The report at the end of a run: what was replayed, how well it was forecast, what it cost."""

from collections.abc import Mapping

from rich.console import Group, RenderableType
from rich.text import Text

from rushhour.core.labels import source_label
from rushhour.simulator.evaluation.scoring import Evaluation
from rushhour.simulator.run_view import RunView
from rushhour.simulator.stack.child_process import Cost
from rushhour.simulator.started import Times
from rushhour.simulator.terminal.figures import figure, with_unit
from rushhour.simulator.terminal.fitted import Column, FittedTable
from rushhour.simulator.terminal.screens import add_counts
from rushhour.simulator.terminal.tables import facts_grid, scores_by_horizon, scores_by_model

_MIB = 1024 * 1024


def report(view: RunView, evaluation: Evaluation) -> RenderableType:
    """Return the report on the run and its forecasts."""
    facts = facts_grid()
    facts.add_row("replayed", source_label(view.run))
    if view.run.warm_sha256:
        facts.add_row("began with", view.run.warm_origin)
    add_counts(facts, view)
    tables = [scores_by_model(evaluation), Text()]
    if evaluation.by_horizon:
        tables += [scores_by_horizon(evaluation), Text()]
    return Group(facts, Text(), *tables)


def costs_report(costs: Mapping[str, Cost | None], times: Times, trips: int) -> RenderableType:
    """Return what each process used."""
    table = FittedTable(Column("process", is_text=True), Column("CPU"), Column("peak memory"))
    for name, cost in costs.items():
        if cost is not None:
            table.add(name, f"{cost.cpu_s:.1f} s", mebibytes(cost.peak_bytes))
    return Group(cost_title(times, trips), table)


def cost_title(times: Times, trips: int) -> Text:
    """Return how long a run took."""
    rate = f"{trips / times.wall_s:,.0f} trips/s"
    title = f"cost: {times.wall_s:.1f} s from the start of the command, {rate}"
    return Text(title, style="italic")


def mebibytes(size: float | None) -> str:
    """Return a number of bytes in MiB.

    >>> mebibytes(300 * 1024 * 1024), mebibytes(None)
    ('300 MiB', '-')
    """
    return with_unit(figure(None if size is None else size / _MIB, 0), "MiB")
