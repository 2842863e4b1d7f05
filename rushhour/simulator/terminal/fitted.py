"""Tables and rows of facts that fit into a terminal of any width without cutting a figure."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from rich.cells import cell_len
from rich.console import Console, ConsoleOptions, RenderResult
from rich.table import Table
from rich.text import Text

_GAP = 2


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a `FittedTable`.

    Parameters
    ----------
    short
        The header where `header` does not fit.
    is_text
        The cells are aligned to the left; figures, to the right.
    shrink_to
        The width to which texts may be shortened; 0 if they may not.
    drop
        The order in which columns are dropped: 1 first, 0 never.
    width
        The least width otherwise, for a table that is redrawn with other figures.
    """

    header: str
    short: str = ""
    is_text: bool = False
    shrink_to: int = 0
    drop: int = 0
    width: int = 0


class FittedTable:
    """A table that is as wide as its cells, or as the terminal if that is narrower.

    It first shortens headers, then texts, then drops columns. So no figure is cut, unless the
    terminal is narrower than the columns that are never dropped.
    """

    def __init__(self, *columns: Column) -> None:
        self._columns = columns
        self._rows: list[tuple[tuple[str, ...], str]] = []

    def add(self, *cells: str, style: str = "") -> None:
        """Add a row: one cell for each column."""
        self._rows.append((cells, style))

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Yield the table for the width of the console."""
        places, headers, widths = self._fit(options.max_width)
        table = Table(box=None, padding=(0, _GAP, 0, 0), pad_edge=False, header_style="bold")
        for place, header, width in zip(places, headers, widths, strict=True):
            table.add_column(
                Text(header),
                justify="left" if self._columns[place].is_text else "right",
                width=width,
                no_wrap=True,
                overflow="ellipsis",
            )
        for cells, style in self._rows:
            table.add_row(*(Text(cells[place]) for place in places), style=style)
        yield table

    def _fit(self, room: int) -> tuple[list[int], list[str], list[int]]:
        """Return which columns fit, with their headers and widths."""
        places = list(range(len(self._columns)))
        headers = [column.header for column in self._columns]
        if _total([self._width(place, headers[place]) for place in places]) > room:
            headers = [column.short or column.header for column in self._columns]
        while self._excess(places, headers, room) > 0:
            droppable = [place for place in places if self._columns[place].drop]
            if not droppable:
                break
            places.remove(min(droppable, key=lambda place: self._columns[place].drop))
        widths = [self._width(place, headers[place]) for place in places]
        excess = _total(widths) - room
        for i, place in enumerate(places):
            if excess > 0 and self._columns[place].shrink_to:
                width = max(self._columns[place].shrink_to, widths[i] - excess)
                excess -= widths[i] - width
                widths[i] = width
        return places, [headers[place] for place in places], widths

    def _excess(self, places: Sequence[int], headers: Sequence[str], room: int) -> int:
        """Return by how much the table is too wide with its texts as short as they may be."""
        shortest = (
            min(self._columns[place].shrink_to or width, width)
            for place in places
            for width in [self._width(place, headers[place])]
        )
        return _total(list(shortest)) - room

    def _width(self, place: int, header: str) -> int:
        cells = (cells[place] for cells, _ in self._rows)
        return max(self._columns[place].width, *map(cell_len, (header, *cells)))


def _total(widths: Sequence[int]) -> int:
    return sum(widths) + _GAP * (len(widths) - 1)


@dataclass(frozen=True, slots=True)
class Fact:
    """A short text, in a place that is `width` wide: its neighbours do not move as it changes."""

    text: str
    width: int = 0
    style: str = ""


class Facts:
    """Facts side by side, as many in a line as fit."""

    def __init__(self, facts: Iterable[Fact]) -> None:
        self._facts = tuple(facts)

    def height(self, width: int) -> int:
        """Return how many lines they take."""
        return len(list(self._lines(width)))

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Yield the lines for the width of the console."""
        for line in self._lines(options.max_width):
            text = Text(no_wrap=True, overflow="ellipsis")
            for fact in line:
                padding = " " * (max(0, fact.width - cell_len(fact.text)) + _GAP)
                text.append(fact.text, fact.style).append(padding)
            text.rstrip()
            yield text

    def _lines(self, room: int) -> Iterator[list[Fact]]:
        line: list[Fact] = []
        used = 0
        for fact in self._facts:
            width = max(fact.width, cell_len(fact.text))
            if line and used + width > room:
                yield line
                line, used = [], 0
            line.append(fact)
            used += width + _GAP
        if line:
            yield line
