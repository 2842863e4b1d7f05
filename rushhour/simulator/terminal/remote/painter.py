"""Paint a screen onto a terminal by writing only what has changed: for slow terminals."""

from functools import lru_cache

from rich.cells import cell_len
from rich.color import ColorSystem
from rich.console import Console, RenderableType
from rich.segment import Segment
from rich.style import Style

from rushhour.simulator.terminal.remote.session import TerminalSession

_Cell = tuple[str, str]  # text, and the codes that set its style
_Line = list[_Cell]
_NEAR = 6  # cells that are as cheap to write again as to pass over
_RESET = "\x1b[0m"
_COLORS = {
    "standard": ColorSystem.STANDARD,
    "256": ColorSystem.EIGHT_BIT,
    "truecolor": ColorSystem.TRUECOLOR,
}


class Painter:
    """Knows what a terminal shows.

    Parameters
    ----------
    console
        Lays screens out, and knows the size and the colours of the terminal.
    session
        Where they are written.
    """

    def __init__(self, console: Console, session: TerminalSession) -> None:
        self._console = console
        self._session = session
        self._shown: list[_Line] = []
        self._shown_in: tuple[int, int, int] = (0, 0, 0)

    def paint(self, screen: RenderableType, times_taken: int) -> None:
        """Show a screen; nothing is written if the terminal has no room yet.

        `times_taken` is what the session's `poll` returned.
        """
        if not self._session.has_room():
            return
        width, height = self._console.size
        lines = self._lines(screen, width, height)
        clear = ""
        if (times_taken, width, height) != self._shown_in:
            clear, self._shown = f"{_RESET}\x1b[2J", []
        blank: _Line = [(" ", "")] * width
        shown = [*self._shown, *([blank] * (height - len(self._shown)))]
        lines = [*lines, *([blank] * (height - len(lines)))]
        frame = clear + changes(shown, lines)
        if frame:
            self._session.write(frame)
        self._shown, self._shown_in = lines, (times_taken, width, height)

    def _lines(self, screen: RenderableType, width: int, height: int) -> list[_Line]:
        options = self._console.options.update(width=width, height=None)
        lines = self._console.render_lines(screen, options, pad=True)[:height]
        return [self._cells(line, width) for line in lines]

    def _cells(self, segments: list[Segment], width: int) -> _Line:
        system = _COLORS.get(self._console.color_system or "")
        if self._console.no_color:
            segments = list(Segment.remove_color(segments))
        cells: _Line = []
        for text, style, control in segments:
            if control:
                continue
            codes = _codes(style, system) if style else ""
            for character in text:
                columns = cell_len(character)
                if columns:
                    cells += [(character, codes), *([("", codes)] * (columns - 1))]
                elif cells:
                    cells[-1] = (cells[-1][0] + character, codes)
        return cells[:width]


def changes(before: list[_Line], after: list[_Line]) -> str:
    r"""Return what to write to a terminal that shows some lines, so that it shows others.

    >>> changes([[("a", ""), ("b", "")]], [[("a", ""), ("c", "")]])
    '\x1b[1;2Hc'
    """
    frame: list[str] = []
    style = ""
    for number, (old, new) in enumerate(zip(before, after, strict=True), 1):
        for start, end in _runs(old, new):
            frame.append(f"\x1b[{number};{start + 1}H")
            for text, codes in new[start:end]:
                if codes != style:
                    frame.append(_RESET * bool(style) + codes)
                    style = codes
                frame.append(text)
    return "".join(frame) + _RESET * bool(style)


def _runs(old: _Line, new: _Line) -> list[tuple[int, int]]:
    """Return where a line has changed: from a cell to before another one."""
    runs: list[tuple[int, int]] = []
    for place, cell in enumerate(new):
        if place < len(old) and old[place] == cell:
            continue
        start = place
        while start and not new[start][0]:  # the second half of a wide character
            start -= 1
        if runs and start - runs[-1][1] <= _NEAR:
            start = runs.pop()[0]
        runs.append((start, place + 1))
    return runs


@lru_cache(maxsize=256)
def _codes(style: Style, system: ColorSystem | None) -> str:
    """Return the codes that set a style."""
    if system is None:
        return ""
    return style.render("x", color_system=system).partition("x")[0]
