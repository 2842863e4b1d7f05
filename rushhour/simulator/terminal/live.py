"""Follow a run: a live screen on a terminal, a line per simulated day elsewhere."""

import sys
import time
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Mapping
from contextlib import ExitStack

import redis

from rushhour.core.hours import HOURS_PER_DAY, SECOND_MS
from rushhour.core.models import REFERENCE
from rushhour.core.speed import Speed
from rushhour.simulator.run_view import RunView, read_hours_closed
from rushhour.simulator.terminal.consoles import Console
from rushhour.simulator.terminal.figures import count, figure
from rushhour.simulator.terminal.gate_notice import GateNotice
from rushhour.simulator.terminal.live_screen import Controls, live_screen
from rushhour.simulator.terminal.remote.painter import Painter
from rushhour.simulator.terminal.remote.remote import Remote
from rushhour.simulator.terminal.remote.session import TerminalSession
from rushhour.simulator.terminal.remote.sparkline import HOURS, Sparkline
from rushhour.simulator.terminal.screens import hours_closed, time_label
from rushhour.simulator.terminal.tables import RATE
from rushhour.storage.recent_hours import RecentHours

_EVERY_S = 0.5
_HOURS_EVERY_S = 1.0  # each new hour moves all bars: more bytes than all figures
_RATE_OVER_S = 2.0


def open_view(client: redis.Redis, console: Console, addresses: Mapping[str, str]) -> "View":
    """Return the view that suits a console; a quiet one shows nothing."""
    if console.quiet:
        return QuietView()
    if console.is_live:
        return LiveView(client, console, addresses)
    return LogView(client, console)


class View(ABC):
    """Shows a run a few times a second while it is entered."""

    def __init__(self) -> None:
        self._next = 0.0

    def __enter__(self) -> "View":
        return self

    def __exit__(self, *_: object) -> None:  # noqa: B027 - lines need no cleaning up
        """Leave the terminal as it was."""

    def update(self) -> None:
        """Show the run as it is now, if the last update is old enough."""
        now = time.monotonic()
        if now >= self._next:
            self._next = now + _EVERY_S
            self._show(now)

    @property
    def quits(self) -> bool:
        """Whether the user wants to leave the view."""
        return False

    @abstractmethod
    def _show(self, now: float) -> None:
        """Show the state of the run at `now` (monotonic seconds)."""


class QuietView(View):
    """Shows nothing, and reads nothing."""

    def _show(self, now: float) -> None:
        pass


class LiveView(View):
    """Redraws a screen, and is a remote control of the clock if the keyboard is a terminal."""

    def __init__(self, client: redis.Redis, console: Console, addresses: Mapping[str, str]) -> None:
        super().__init__()
        self._client = client
        self._console = console
        self._addresses = addresses
        self._terminal = TerminalSession(console.file, sys.stdin)
        self._painter = Painter(console, self._terminal)
        self._remote = Remote(client)
        self._times_taken = 0
        self._recent = RecentHours(client, HOURS)
        self._bars = Sparkline((), None)
        self._bars_at = 0.0
        self._past: deque[tuple[float, int, int]] = deque()
        self._leave = ExitStack()

    def __enter__(self) -> "LiveView":
        self._leave.enter_context(self._console.held())
        self._leave.enter_context(self._terminal)
        return self

    def __exit__(self, *_: object) -> None:
        self._leave.close()

    @property
    def quits(self) -> bool:
        """Whether the user has pressed the key for it."""
        return self._remote.quits

    def update(self) -> None:
        """Obey the keys, and show the run; at once if a key was pressed or its result is due."""
        times_taken, self._times_taken = self._times_taken, self._terminal.poll()
        pressed = self._terminal.read_keys()
        for character in pressed:
            self._remote.press(character)
        if pressed or self._remote.is_waiting or times_taken != self._times_taken:
            self._next = 0.0
        super().update()

    def _show(self, now: float) -> None:
        if not self._times_taken:  # in the background
            return
        view = RunView.read(self._client)
        self._remote.update(view.run.run_id, view.clock)
        if now >= self._bars_at:
            self._bars_at = now + _HOURS_EVERY_S
            self._bars = Sparkline(self._recent.update(view.run.run_id), view.next_prediction)
        controls = Controls(self._terminal.reads_keys, self._remote.message)
        screen = live_screen(
            view,
            self._rates(now, view),
            self._addresses,
            self._console.size,
            bars=self._bars,
            controls=controls,
        )
        self._painter.paint(screen, self._times_taken)

    def _rates(self, now: float, view: RunView) -> tuple[float, str]:
        """Return trips per second and the speed, measured over the last seconds."""
        if view.clock is None:
            return 0.0, "-"
        self._past.append((now, view.clock.trips, view.clock.now_ts))
        while now - self._past[0][0] > _RATE_OVER_S:
            self._past.popleft()
        then, trips, sim_ts = self._past[0]
        if now == then:
            return 0.0, "-"
        factor = (view.clock.now_ts - sim_ts) / SECOND_MS / (now - then)
        return (view.clock.trips - trips) / (now - then), pace_label(factor)


class LogView(View):
    """Prints a line for each simulated day that is closed."""

    def __init__(self, client: redis.Redis, console: Console) -> None:
        super().__init__()
        self._client = client
        self._console = console
        self._days = 0
        self._gate = GateNotice(client)

    def _show(self, now: float) -> None:
        notice = self._gate.line()
        if notice is not None:
            self._console.print(notice, soft_wrap=not self._console.is_tty)
        days = read_hours_closed(self._client) // HOURS_PER_DAY
        if days > self._days:
            self._days = days
            line = day_line(RunView.read(self._client))
            self._console.print(line, soft_wrap=not self._console.is_tty)


def day_line(view: RunView) -> str:
    """Return the state of a run as one line."""
    closed, _, in_loop = hours_closed(view).partition(" ")
    closed = f"{closed} hours closed {in_loop}".rstrip()
    mae, reference = (figure(view.score(name, "mae_24h"), 2) for name in (view.served, REFERENCE))
    return (
        f"{time_label(view.now_ts, 'the start')}"
        f"  {closed}"
        f"  {count(view.count('rides'))} rides"
        f"  MAE 24 h {mae} {RATE} ({REFERENCE} {reference})"
    )


def pace_label(factor: float) -> str:
    """Return a measured speed for a person.

    >>> pace_label(21_700.0), pace_label(12.0), pace_label(0.0)
    ('6.0h/s', '12s/s', '0')
    """
    if factor <= 0:
        return "0"
    for unit, seconds in (("d", 86_400), ("h", 3_600), ("m", 60)):
        if factor >= seconds:
            return f"{factor / seconds:.1f}{unit}/s"
    return str(Speed(round(factor) or 1))
