"""What `rushhour doctor` shows."""

from collections.abc import Iterator
from pathlib import Path

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.text import Text

from rushhour.core.table_columns import PREDICTED, ZONE
from rushhour.simulator.diagnosis.diagnose import Diagnosis
from rushhour.simulator.diagnosis.finding import Finding
from rushhour.simulator.terminal.figures import UNKNOWN
from rushhour.simulator.terminal.fitted import Column, FittedTable
from rushhour.simulator.terminal.tables import facts_grid, note

_INDENT = (0, 0, 0, 3)
_MOST_COLUMNS = 4
_SHORT = {ZONE: "zone", PREDICTED: "predicted"}


def diagnosis_screen(diagnosis: Diagnosis, predictions: Path, actuals: str) -> RenderableType:
    """Return the causes, each with an example of both sides and the cure."""
    facts = facts_grid()
    facts.add_row("predictions", str(predictions))
    facts.add_row("actual rides", actuals)
    facts.add_row("rows that join", _share(diagnosis.joined, diagnosis.rows))
    if diagnosis.mended is not None:
        mended = _share(diagnosis.joined_mended, diagnosis.rows_mended)
        facts.add_row("once mended", mended)
    parts: list[RenderableType] = [facts]
    for number, finding in enumerate(diagnosis.findings, 1):
        parts += (Text(), *_finding(f"{number}.", finding))
    for finding in diagnosis.notes:
        parts += (Text(), note(f"note: {finding.summary}: {finding.cure}"))
    if diagnosis.is_healthy:
        parts += (Text(), Text("all rows join", style="green"))
    return Group(*parts)


def _finding(number: str, finding: Finding) -> Iterator[RenderableType]:
    rows = "1 row" if finding.rows == 1 else f"{finding.rows:,} rows"
    yield Text.assemble(
        f"{number} ", (finding.cause, "bold red"), f"  {rows} of the {finding.side}"
    )
    yield Padding(Text(finding.summary), _INDENT)
    if finding.prediction or finding.actual:
        yield Padding(_examples(finding), _INDENT)
    style = "green" if finding.is_certain else "yellow"
    cure = facts_grid()
    certainty = ("  (certain: --fix applies it)" if finding.is_certain else "", "dim")
    cure.add_row(Text("cure", style), Text.assemble(finding.cure, certainty))
    yield Padding(cure, _INDENT)


def _examples(finding: Finding) -> RenderableType:
    """Return a row of each side, with equal columns below one another."""
    sides = {"prediction": finding.prediction or {}, "actual": finding.actual or {}}
    names = list(dict.fromkeys(name for row in sides.values() for name in row))[:_MOST_COLUMNS]
    table = FittedTable(
        Column("", is_text=True),
        *(Column(name, short=_SHORT.get(name, ""), shrink_to=8) for name in names),
    )
    for side, row in sides.items():
        if row:
            table.add(side, *(row.get(name) or UNKNOWN for name in names))
    return table


def _share(part: int, whole: int) -> str:
    return f"{part:,} of {whole:,}"
