"""Where a command writes: results to stdout, as a screen or JSON; notes and progress to stderr."""

import errno
import sys
from collections.abc import Iterable
from typing import TYPE_CHECKING

from rushhour.core.errors import ClosedPipeError, UsageError

if TYPE_CHECKING:  # Rich and msgspec are imported when something is written: `--help` needs neither
    import msgspec
    from rich.console import RenderableType

    from rushhour.simulator.terminal.consoles import Console


class Output:
    """The output of one command.

    Parameters
    ----------
    as_json
        The command prints `document`s instead of screens.
    quiet
        Notes and progress are not printed.
    """

    def __init__(self, *, as_json: bool = False, quiet: bool = False) -> None:
        self.as_json = as_json
        self.quiet = quiet
        self._results: Console | None = None
        self._notes: Console | None = None

    @property
    def is_terminal(self) -> bool:
        """Whether a person reads the results on a terminal."""
        return sys.stdout.isatty()

    @property
    def results(self) -> "Console":
        """The console of the results: stdout."""
        from rushhour.simulator.terminal.consoles import Console  # noqa: PLC0415 - imports Rich

        if self._results is None:
            self._results = Console(sys.stdout)
        return self._results

    @property
    def notes(self) -> "Console":
        """The console of notes and progress: stderr."""
        from rushhour.simulator.terminal.consoles import Console  # noqa: PLC0415 - imports Rich

        if self._notes is None:
            self._notes = Console(sys.stderr, quiet=self.quiet)
        return self._notes

    def show(self, *screens: "RenderableType") -> None:
        """Print results for a person."""
        for screen in screens:
            self.results.show(screen)

    def document(self, document: "msgspec.Struct") -> None:
        """Print a result as one line of JSON, at once."""
        self.documents([document])

    def documents(self, documents: "Iterable[msgspec.Struct]") -> None:
        """Print results as lines of JSON.

        Raises
        ------
        UsageError
            If stdout cannot be written, as on a full disk.
        ClosedPipeError
            If nobody reads stdout any more.
        """
        import msgspec  # noqa: PLC0415

        encode = msgspec.json.Encoder().encode
        try:
            for document in documents:
                sys.stdout.write(encode(document).decode() + "\n")
            sys.stdout.flush()
        except OSError as error:
            if error.errno == errno.EPIPE:
                raise ClosedPipeError from None
            raise UsageError(f"cannot write to stdout: {error.strerror}") from None

    def lines(self, lines: "Iterable[str]") -> None:
        """Print lines of text as they are."""
        for line in lines:
            self.results.print(line, soft_wrap=True)

    def note(self, text: str, style: str | None = None) -> None:
        """Print a note; it is one line where no terminal wraps it."""
        self.notes.print(text, style=style, soft_wrap=not self.notes.is_tty)

    def warn(self, text: str) -> None:
        """Print a note that stands out."""
        self.note(text, style="yellow")
