"""What one open page is still to be sent: bounded, and the newest wins."""

import asyncio
import threading
from collections import deque
from dataclasses import dataclass

from rushhour.core.hours import HOUR_MS
from rushhour.core.zones import ZONE_COUNT

MAX_ALERTS = 200
_ALIVE_S = 15.0
_ALIVE = b": alive\n\n"
_BEFORE_ALL = (0, 0)


@dataclass(frozen=True, slots=True)
class ClosedHour:
    """The latest closed hour (epoch ms) as JSON: an object."""

    hour_ts: int
    body: bytes


@dataclass(frozen=True, slots=True)
class Alert:
    """An alert as JSON. `order` is its place in the stream: hour (epoch ms) and zone."""

    order: tuple[int, int]
    body: bytes


@dataclass(frozen=True, slots=True)
class Frame:
    """What has changed since the frame before; None where nothing has.

    `absent` is why there is no run; `run`, `clock` and `gate` are as the pages get them: JSON.
    `run_id` names the run.
    """

    run_id: str = ""
    absent: bytes | None = None
    run: bytes | None = None
    clock: bytes | None = None
    gate: bytes | None = None
    hour: ClosedHour | None = None
    alerts: tuple[Alert, ...] = ()

    def since(self, before: "Frame", alerts: tuple[Alert, ...]) -> "Frame":
        """Return what differs from the frame before, with the alerts that came since."""
        return Frame(
            run_id=self.run_id,
            run=None if self.run == before.run else self.run,
            clock=None if self.clock == before.clock else self.clock,
            gate=None if self.gate == before.gate else self.gate,
            hour=None if self.hour == before.hour else self.hour,
            alerts=alerts,
        )


class Mailbox:
    """The events that wait for one page.

    A page that is slow to read gets the latest state, not the states in between: at most one event
    of each kind waits, and `MAX_ALERTS` alerts.

    Parameters
    ----------
    run_id, seen_ts
        The run and the hour (epoch ms) that the page has already; None for a new page.
    """

    def __init__(self, run_id: str | None = None, seen_ts: int | None = None) -> None:
        self._loop = asyncio.get_running_loop()
        self._news = asyncio.Event()
        self._lock = threading.Lock()
        self._run_id = run_id
        self._seen_ts = seen_ts
        self._alerted = _BEFORE_ALL if seen_ts is None else (seen_ts, ZONE_COUNT)
        self._state: dict[str, bytes] = {}
        self._hour: ClosedHour | None = None
        self._alerts: deque[bytes] = deque(maxlen=MAX_ALERTS)
        self.is_closed = False

    def put(self, frame: Frame) -> None:
        """Add what has changed; from any thread."""
        with self._lock:
            if frame.absent is not None:
                self._state = {"absent": frame.absent}
            if frame.run is not None:
                self._begin(frame)
            for name, body in (("run", frame.run), ("clock", frame.clock), ("gate", frame.gate)):
                if body is not None:
                    self._state[name] = body
            for alert in frame.alerts:
                if alert.order > self._alerted:
                    self._alerts.append(alert.body)
                    self._alerted = alert.order
            if frame.hour is not None and frame.hour.hour_ts != self._seen_ts:
                self._hour = frame.hour
        self._wake()

    def _begin(self, frame: Frame) -> None:
        """Note that there is a run; what was seen of another one counts no more."""
        self._state.pop("absent", None)
        went_back = (
            self._seen_ts is not None
            and frame.hour is not None
            and frame.hour.hour_ts < self._seen_ts
        )
        if went_back or self._run_id not in {None, frame.run_id}:
            self._seen_ts, self._alerted = None, _BEFORE_ALL
            self._hour = None
            self._alerts.clear()
        self._run_id = frame.run_id

    def close(self) -> None:
        """End the stream of the page."""
        self.is_closed = True
        self._wake()

    async def take(self) -> bytes:
        """Wait for news, and return all that waits as server-sent events."""
        try:
            async with asyncio.timeout(_ALIVE_S):
                await self._news.wait()
        except TimeoutError:
            return _ALIVE
        self._news.clear()
        with self._lock:
            events = [_event(name, body) for name, body in self._state.items()]
            events += [_event("alert", body) for body in self._alerts]
            if self._hour is not None:
                events.append(_hour_event(self._hour, self._seen_ts))
                self._seen_ts = self._hour.hour_ts
            self._state, self._hour = {}, None
            self._alerts.clear()
        return b"".join(events)

    def _wake(self) -> None:
        try:
            self._loop.call_soon_threadsafe(self._news.set)
        except RuntimeError:  # the loop has ended, and with it the page's stream
            self.is_closed = True


def _hour_event(hour: ClosedHour, seen_ts: int | None) -> bytes:
    """Return the event of an hour, with how many lie between it and the one before."""
    between = 0 if seen_ts is None else (hour.hour_ts - seen_ts) // HOUR_MS - 1
    body = b'{"skipped":%d,' % max(0, between) + hour.body[1:]
    return b"id: %d-0\n" % hour.hour_ts + _event("hour", body)


def _event(name: str, body: bytes) -> bytes:
    return b"event: %s\ndata: %s\n\n" % (name.encode(), body)
