"""Show a run while it goes on: a live screen on a terminal, a line a day elsewhere."""

import time
from abc import ABC, abstractmethod
from collections import deque

import redis
from rich.console import Console
from rich.live import Live

from rushhour.core.hours import HOURS_PER_DAY, SECOND_MS
from rushhour.core.models import REFERENCE, SERVED
from rushhour.core.speed import Speed
from rushhour.simulator.terminal.run_view import RunView
from rushhour.simulator.terminal.screens import live_screen, now_label

_EVERY_S = 0.25
_RATE_OVER_S = 2.0
_ROOM_FOR_CTRL_C = 3  # the terminal writes ^C behind the screen; on a line of its own it would stay


class View(ABC):
    """Shows a run a few times a second, as long as it is entered."""

    def __init__(self, client: redis.Redis, console: Console) -> None:
        self._client = client
        self._console = console
        self._next = 0.0

    def __enter__(self) -> "View":
        return self

    def __exit__(self, *_: object) -> None:  # noqa: B027 - lines need no cleaning up
        """Leave the terminal as it was."""

    def update(self) -> None:
        """Show the run as it stands now, if it is time to."""
        now = time.monotonic()
        if now >= self._next:
            self._next = now + _EVERY_S
            self._show(now, RunView.read(self._client))

    @abstractmethod
    def _show(self, now: float, snapshot: RunView) -> None:
        """Show a snapshot taken at `now` (monotonic seconds)."""


class LiveView(View):
    """Redraws a screen, for a terminal."""

    def __init__(self, client: redis.Redis, console: Console) -> None:
        super().__init__(client, console)
        self._live = Live(console=console, auto_refresh=False, transient=True)
        self._past: deque[tuple[float, int, int]] = deque()

    def __enter__(self) -> "LiveView":
        self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._live.stop()

    def _show(self, now: float, snapshot: RunView) -> None:
        trips_per_s, pace = self._rates(now, snapshot)
        width = self._console.width - _ROOM_FOR_CTRL_C
        self._live.update(live_screen(snapshot, trips_per_s, pace, width), refresh=True)

    def _rates(self, now: float, snapshot: RunView) -> tuple[float, str]:
        if snapshot.clock is None:
            return 0.0, "-"
        self._past.append((now, snapshot.clock.trips, snapshot.clock.now_ts))
        while now - self._past[0][0] > _RATE_OVER_S:
            self._past.popleft()
        then, trips, sim_ts = self._past[0]
        if now == then:
            return 0.0, "-"
        factor = (snapshot.clock.now_ts - sim_ts) / SECOND_MS / (now - then)
        return (snapshot.clock.trips - trips) / (now - then), pace_label(factor)


class LogView(View):
    """Prints a line for each simulated day that is closed, for a log."""

    def __init__(self, client: redis.Redis, console: Console) -> None:
        super().__init__(client, console)
        self._days = 0

    def _show(self, now: float, snapshot: RunView) -> None:
        days = snapshot.hours_closed // HOURS_PER_DAY
        if days > self._days:
            self._days = days
            self._console.print(day_line(snapshot), soft_wrap=True)


def day_line(snapshot: RunView) -> str:
    """Return one line on a run for a log."""
    return (
        f"{now_label(snapshot)}"
        f"  {snapshot.hours_closed}/{snapshot.run.hours} hours closed"
        f"  {int(snapshot.quality.get('rides', 0)):,} rides"
        f"  MAE 24 h {snapshot.score(SERVED, 'mae_24h')}"
        f" ({REFERENCE} {snapshot.score(REFERENCE, 'mae_24h')})"
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
