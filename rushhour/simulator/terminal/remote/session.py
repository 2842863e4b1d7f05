"""The terminal while the live view has it: a screen of its own, and keys without Enter.

The modes of the terminal are set back on every way out that a process can see: at the end, on an
exception, on a signal that ends the process, and while it is stopped (Ctrl-Z).
"""

import os
import re
import select
import signal
import termios
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from types import FrameType
from typing import IO, Any

_ENTER = b"\x1b[?1049h\x1b[?25l"  # another screen, no cursor
# To the last line first: a terminal without another screen scrolls this one up.
_LEAVE = b"\x1b[0m\x1b[999;1H\n\x1b[?25h\x1b[?1049l"
_LFLAG = 3  # of what `termios.tcgetattr` returns
_KEYS_AT_ONCE = 64
_ESCAPES = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|O.|.)?", re.DOTALL)  # arrows, Alt and so on
_ENDING = (signal.SIGHUP, signal.SIGQUIT)  # others are left to whoever started the view

_Handler = Any


class TerminalSession:
    """Owns a terminal while it is entered and in the foreground.

    Parameters
    ----------
    screen
        Where the view is written: a terminal.
    keyboard
        Where keys are read, if that is a terminal as well; None if nothing can be read.
    """

    def __init__(self, screen: IO[str], keyboard: IO[str] | None) -> None:
        self._screen = screen.fileno()
        self._keyboard = _terminal_of(keyboard)
        self._modes: list[Any] | None = None  # of the keyboard, while they are others
        self._handlers: dict[signal.Signals, _Handler] = {}
        self._is_taken = False
        self._times_taken = 0

    def __enter__(self) -> "TerminalSession":
        for sign, handler in (
            (signal.SIGTSTP, self._stop),
            (signal.SIGCONT, self._continue),
            *((sign, self._end) for sign in _ENDING),
        ):
            if signal.getsignal(sign) is not signal.SIG_IGN:  # as under nohup
                self._handlers[sign] = signal.signal(sign, handler)
        self.poll()
        return self

    def __exit__(self, *_: object) -> None:
        self._give_back()
        for sign, handler in self._handlers.items():
            signal.signal(sign, handler)

    @property
    def reads_keys(self) -> bool:
        """Whether keys can be read at all."""
        return self._keyboard is not None

    def poll(self) -> int:
        """Take the terminal if it can be had, and return how many times it has been taken.

        0 if it is another's now: the process is in the background of its shell. Whenever the number
        has changed, the screen has to be painted anew.
        """
        if not self._in_foreground():
            self._is_taken = False
            return 0
        if not self._is_taken:
            self._take()
        return self._times_taken

    def read_keys(self) -> str:
        """Return the characters of the keys that were pressed, without waiting."""
        if self._keyboard is None or not self._is_taken or not self._in_foreground():
            return ""
        if not select.select([self._keyboard], [], [], 0)[0]:
            return ""
        try:
            pressed = os.read(self._keyboard, _KEYS_AT_ONCE)
        except OSError:  # the terminal has gone
            pressed = b""
        if not pressed:
            self._keyboard = None
        return _ESCAPES.sub("", pressed.decode("latin-1"))

    def has_room(self) -> bool:
        """Whether the terminal has taken what was written: a slow or stopped one has not."""
        return bool(select.select([], [self._screen], [], 0)[1])

    def write(self, text: str) -> None:
        """Write to the screen at once."""
        self._write(text.encode("utf-8", "replace"))

    def _write(self, data: bytes) -> None:
        # Not by way of the file: a handler of signals may interrupt it.
        while data:
            data = data[os.write(self._screen, data) :]

    def _take(self) -> None:
        if self._keyboard is not None:
            modes = termios.tcgetattr(self._keyboard)
            self._modes = modes
            changed = list(modes)
            changed[_LFLAG] &= ~(termios.ICANON | termios.ECHO)  # Ctrl-C and Ctrl-Z stay signals
            self._set_modes(changed)
        self._write(_ENTER)
        self._is_taken = True
        self._times_taken += 1

    def _give_back(self) -> None:
        if not self._is_taken:
            return
        self._is_taken = False
        with suppress(OSError):  # the terminal has gone
            self._write(_LEAVE)
        if self._modes is not None:
            with suppress(termios.error):
                self._set_modes(self._modes)
            self._modes = None

    def _set_modes(self, modes: list[Any]) -> None:
        assert self._keyboard is not None
        with _not_stopped():
            termios.tcsetattr(self._keyboard, termios.TCSANOW, modes)

    def _in_foreground(self) -> bool:
        try:
            return os.tcgetpgrp(self._screen) == os.getpgrp()
        except OSError:  # a terminal without a shell
            return True

    def _stop(self, sign: int, _frame: FrameType | None) -> None:
        """Stop as without this handler, with the terminal as it was; return when continued."""
        self._give_back()
        signal.signal(sign, signal.SIG_DFL)
        os.kill(os.getpid(), sign)
        signal.signal(sign, self._stop)

    def _continue(self, _sign: int, _frame: FrameType | None) -> None:
        """Have the terminal taken again: a shell may have changed it."""
        self._is_taken = False

    def _end(self, sign: int, _frame: FrameType | None) -> None:
        """End as without this handler, with the terminal as it was."""
        self._give_back()
        signal.signal(sign, signal.SIG_DFL)
        os.kill(os.getpid(), sign)


@contextmanager
def _not_stopped() -> Iterator[None]:
    """Change a terminal without being stopped for it, should it be a shell's by now."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTTOU})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _terminal_of(file: IO[str] | None) -> int | None:
    """Return the descriptor of a file that is a terminal."""
    try:
        return file.fileno() if file is not None and file.isatty() else None
    except (OSError, ValueError):  # closed, or not of the system
        return None
