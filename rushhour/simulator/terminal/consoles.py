"""Consoles that write as wide as a terminal is, or as wide as the text elsewhere."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO, Any

import rich.console
from rich.console import RenderableType

from rushhour.core.errors import ClosedPipeError

_UNBOUNDED = 10_000  # columns: wider than any table


class Console(rich.console.Console):
    """A console of plain text: file names may hold brackets, and figures need no colours.

    On a terminal, text is wrapped at its width. Elsewhere, nothing is wrapped and no line has
    trailing blanks.
    """

    def __init__(self, file: IO[str], *, quiet: bool = False) -> None:
        self.is_tty = file.isatty()
        self._held: list[tuple[tuple[Any, ...], dict[str, Any]]] | None = None
        super().__init__(
            file=file,
            quiet=quiet,
            width=None if self.is_tty else _UNBOUNDED,
            highlight=False,
            markup=False,
            emoji=False,
        )

    @property
    def is_live(self) -> bool:
        """Whether the console can redraw what it has written."""
        return self.is_tty and not self.is_dumb_terminal

    @contextmanager
    def held(self) -> Iterator[None]:
        """Print nothing meanwhile: the terminal shows something else. It comes at the end."""
        self._held = []
        try:
            yield
        finally:
            held, self._held = self._held, None
            for objects, options in held:
                self.print(*objects, **options)

    def print(self, *objects: Any, **options: Any) -> None:
        """Print as Rich does, or later while the console is `held`."""
        if self._held is None:
            super().print(*objects, **options)
        else:
            self._held.append((objects, options))

    def show(self, screen: RenderableType) -> None:
        """Print a screen, without trailing blanks where no terminal hides them."""
        if self.is_tty:
            self.print(screen)
            return
        with self.capture() as captured:
            self.print(screen)
        lines = captured.get().removesuffix("\n").split("\n")
        self.print("\n".join(line.rstrip() for line in lines), soft_wrap=True)

    def on_broken_pipe(self) -> None:
        """End the command instead of the process, so that it can stop what it has started."""
        self.quiet = True
        raise ClosedPipeError
