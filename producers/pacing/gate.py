"""The hour gate: whether the clock may pass an hour, given what is closed and acknowledged."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace

from rushhour.core.errors import UsageError
from rushhour.core.gate import Acknowledgement, GateStatus
from rushhour.core.hours import HOUR_MS, clock_label, floor_hour
from rushhour.runtime.wall_clock import wall_ts

# Acknowledgements with the ids of their entries, or why an entry is none.
Acks = Sequence[tuple[str, Acknowledgement | UsageError]]

_NEVER = -1  # before any hour


class Gate:
    """Knows which hours are closed, and which gates have acknowledged them.

    An acknowledgement counts once its hour is closed, and for all hours before it too. To repeat
    one, or to give it late, changes nothing.

    Parameters
    ----------
    last_closed
        The last closed hour (epoch ms): before the first is closed, the hour before the run.
    names
        Who has to acknowledge each hour that is closed; nobody, and the clock is never held.
    first_hour
        The first hour to be acknowledged (epoch ms).
    saved
        After a restart: the status as it was.
    wall_ts
        Returns the wall time (epoch ms).
    """

    def __init__(
        self,
        last_closed: int,
        names: Iterable[str] = (),
        first_hour: int = 0,
        saved: GateStatus | None = None,
        wall_ts: Callable[[], int] = wall_ts,
    ) -> None:
        self._last_closed = last_closed
        self._names = tuple(names)
        self._first_hour = first_hour
        self._wall_ts = wall_ts
        self.saved = saved or GateStatus()
        self._status = replace(self.saved, gates=self._names)
        self._await()

    @property
    def last_closed(self) -> int:
        """The last closed hour (epoch ms)."""
        return self._last_closed

    @property
    def status(self) -> GateStatus:
        """Who is awaited, and what has been acknowledged."""
        return self._status

    @property
    def is_awaited(self) -> bool:
        """Whether the last closed hour waits to be acknowledged."""
        return bool(self._status.awaited)

    def holds(self, position: int) -> bool:
        """Whether the clock may not go on from here, in simulated time (epoch ms).

        It may not enter an hour before the hour that precedes it is acknowledged.

        >>> Gate(0, ["inference"]).holds(HOUR_MS), Gate(0).holds(HOUR_MS)
        (True, False)
        """
        return bool(self._missing(floor_hour(position) - HOUR_MS))

    def update(self, last_closed: int, acks: Acks) -> None:
        """Note the last closed hour (epoch ms), then take acknowledgements."""
        self._last_closed = last_closed
        if not self._names:
            return
        for entry_id, ack in acks:
            self._take(entry_id, ack)
        self._await()

    def _await(self) -> None:
        """Note who is awaited, and since when."""
        awaited = self._missing(self._last_closed)
        hour, since = self._status.hour_ts, self._status.since_ts
        if not awaited:
            hour = since = None
        elif hour != self._last_closed or since is None:
            hour, since = self._last_closed, self._wall_ts()
        self._status = replace(self._status, hour_ts=hour, awaited=awaited, since_ts=since)

    def _missing(self, hour: int) -> tuple[str, ...]:
        """Return who has yet to acknowledge an hour."""
        if hour < self._first_hour:
            return ()
        last = self._status.acknowledged
        return tuple(name for name in self._names if last.get(name, _NEVER) < hour)

    def _take(self, entry_id: str, ack: Acknowledgement | UsageError) -> None:
        self._status = replace(self._status, ack=entry_id)
        refusal = str(ack) if isinstance(ack, UsageError) else self._refusal(ack)
        if refusal:
            refused = self._status.refused + 1
            self._status = replace(self._status, refused=refused, refusal=refusal)
            return
        assert isinstance(ack, Acknowledgement)
        known = self._status.acknowledged
        if ack.hour_ts > known.get(ack.gate, _NEVER):
            acknowledged = {**known, ack.gate: ack.hour_ts}
            self._status = replace(self._status, acknowledged=acknowledged)

    def _refusal(self, ack: Acknowledgement) -> str:
        """Return why an acknowledgement does not count; empty if it does."""
        if ack.gate not in self._names:
            return f"gate {ack.gate}: there is no such gate: it is one of {', '.join(self._names)}"
        if ack.hour_ts > self._last_closed:
            return f"gate {ack.gate}: hour {clock_label(ack.hour_ts)} is not closed yet"
        return ""
