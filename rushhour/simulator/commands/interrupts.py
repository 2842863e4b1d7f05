"""Ctrl-C and SIGTERM, handled at safe points only."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

_SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Interrupts:
    """Remembers that the user asked to stop.

    Python raises KeyboardInterrupt between any two instructions: in the middle of a fork, or
    during a shutdown. Here a signal only sets `requested`; `check` raises where that is safe.
    """

    def __init__(self) -> None:
        self.requested = False

    def check(self) -> None:
        """Raise if the user asked to stop.

        Raises
        ------
        KeyboardInterrupt
            Once; after that, the shutdown is not interrupted again.
        """
        if self.requested:
            self.requested = False
            raise KeyboardInterrupt

    def _note(self, _signal: int, _frame: FrameType | None) -> None:
        self.requested = True


@contextmanager
def deferred() -> Iterator[Interrupts]:
    """Defer signals while inside: they are only noted."""
    interrupts = Interrupts()
    before = {sign: signal.signal(sign, interrupts._note) for sign in _SIGNALS}
    try:
        yield interrupts
    finally:
        for sign, handler in before.items():
            signal.signal(sign, handler)
