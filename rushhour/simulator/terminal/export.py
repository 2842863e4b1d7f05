"""What `rushhour export` shows."""

from collections.abc import Iterable

from rich.console import Group, RenderableType
from rich.text import Text

from rushhour.core.hours import HOUR_MS, clock_label
from rushhour.core.labels import closed_hours_label, source_label
from rushhour.simulator.export.files import TableFile
from rushhour.simulator.export.tables import Closed
from rushhour.simulator.terminal.figures import count, figure
from rushhour.simulator.terminal.fitted import Column, FittedTable

_KIB = 1024


def export_screen(closed: Closed, files: Iterable[TableFile]) -> RenderableType:
    """Return the files of an export, with their rows and sizes."""
    table = FittedTable(Column("file", is_text=True), Column("rows"), Column("KiB"))
    for file in files:
        table.add(file.name, count(file.rows), figure(file.size / _KIB, 1))
    span = f"{clock_label(closed.first_ts)} to {clock_label(closed.last_ts + HOUR_MS)}"
    hours = f"{closed_hours_label(closed.run, closed.hours_closed)}, {span}"
    return Group(table, Text(f"{source_label(closed.run)}, {hours}", style="dim"))
