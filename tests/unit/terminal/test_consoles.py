"""Consoles: colours on a terminal only, and a screen that is redrawn where that is possible."""

import os
import pty
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from io import StringIO

import pytest
from rich.text import Text

from rushhour.simulator.terminal.consoles import Console

Terminal = Callable[..., Console]


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> Iterator[Terminal]:
    """A function that returns a console on a terminal, with some environment."""
    with ExitStack() as files:

        def make(**environment: str) -> Console:
            for name in ("NO_COLOR", "FORCE_COLOR", "TTY_COMPATIBLE", "COLORTERM"):
                monkeypatch.delenv(name, raising=False)
            for name, value in ({"TERM": "xterm-256color"} | environment).items():
                monkeypatch.setenv(name, value)
            controller, terminal = pty.openpty()
            files.callback(os.close, controller)
            return Console(files.enter_context(os.fdopen(terminal, "w")))

        yield make


def shown(console: Console, text: Text) -> str:
    with console.capture() as captured:
        console.print(text)
    return captured.get()


def test_colours_are_shown_on_a_terminal_but_for_no_color(terminal: Terminal) -> None:
    text = Text("FAIL", "red")
    assert shown(terminal(), text) == "\x1b[31mFAIL\x1b[0m\n"
    assert shown(terminal(NO_COLOR="1"), text) == "FAIL\n"
    assert shown(terminal(TERM="dumb"), text) == "FAIL\n"


def test_only_a_terminal_with_cursor_control_is_redrawn(terminal: Terminal) -> None:
    assert terminal().is_live
    assert not terminal(TERM="dumb").is_live
    assert not Console(StringIO()).is_live
