"""Named failpoints: places in the code at which a test holds a process, or ends it.

One environment variable sets them. It is for tests, and is read once, when this module is imported:

    RUSHHOUR_FAILPOINTS="consumer.transaction=3:kill; lease.seconds=1.5"

`NAME=COUNT:ACTION` acts when the process reaches the failpoint for the COUNT-th time, with `*`
each time; `*` as NAME stands for all. `NAME=NUMBER` replaces a limit, so that a test need not
wait for it. The actions are

- `kill`: end the process with SIGKILL;
- `raise`: raise `FailpointReached`, as a defect would;
- `hold:SOCKET`: send one line of JSON (name, count, pid and details) to the driver that listens on
  that Unix socket, and wait for its answer: `go`, `kill` or `raise`.

While the variable is not set, `reach` is a function that does nothing.
"""

import json
import os
import signal
import socket
import threading
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NoReturn

VARIABLE = "RUSHHOUR_FAILPOINTS"

# Every failpoint, and where it lies. Hours are instants in epoch ms.
FAILPOINTS = {
    "producer.trips": "before the trips of a slice are sent (hour)",
    "producer.tick": "before a tick is sent to one partition (hour, partition, final)",
    "producer.finished": "after the last flush, before the status `finished` is written",
    "producer.status": "before the status is written",
    "producer.gate": "before it is written who is awaited",
    "dataflow.start": "before Bytewax starts",
    "dataflow.hour": "before an hour is learned and the next one is forecast (hour)",
    "dataflow.flushed": "after the sink of a topic was flushed for a snapshot",
    "consumer.transaction": "before hours of zones are written, with their offsets (hour)",
    "consumer.written": "after hours of zones were written (hour)",
    "consumer.city": "before hours are closed for the city (hour)",
    "consumer.closed": "after hours were closed for the city (hour)",
    "consumer.submissions": "before decisions about submissions are written, with their offsets",
    "consumer.submitted": "after decisions about submissions were written",
    "lease.renew": "before a lease is renewed",
    "prepare.clear": "after the run was deleted, before its other keys are",
    "prepare.write": "after the keys of another run were deleted, before the new run is written",
    "prepare.done": "after the new run was written",
}
# Every limit that can be replaced, and its unit.
LIMITS = {
    "lease.seconds": "validity of a lease",
    "lease.renew.seconds": "interval at which a lease is renewed",
    "dataflow.epoch.seconds": "length of an epoch of the dataflow",
    "redis.answer.seconds": "how long a client waits for Redis",
    "kafka.socket.seconds": "how long a client waits for Kafka",
}

_EACH = "*"
_ANSWER_BYTES = 64


class FailpointReached(Exception):
    """Raised by the action `raise`."""


@dataclass(frozen=True, slots=True)
class _Trigger:
    """One entry `NAME=COUNT:ACTION`; `count` is None for each time."""

    name: str
    count: int | None
    action: str
    socket: str

    def matches(self, name: str, count: int) -> bool:
        return self.name in (name, _EACH) and self.count in (count, None)


@dataclass(slots=True)
class Failpoints:
    """The failpoints and limits that one value of the variable sets."""

    triggers: tuple[_Trigger, ...] = ()
    limits: dict[str, float] = field(default_factory=dict)
    _counts: Counter[str] = field(default_factory=Counter)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @classmethod
    def parse(cls, text: str) -> "Failpoints":
        """Read the value of the variable.

        Raises
        ------
        ValueError
            If an entry is invalid, or names what does not exist.
        """
        triggers: list[_Trigger] = []
        limits: dict[str, float] = {}
        for entry in filter(None, map(str.strip, text.split(";"))):
            name, _, value = entry.partition("=")
            count, is_trigger, action = value.partition(":")
            if is_trigger:
                triggers.append(_trigger(entry, name, count, action))
            elif name in LIMITS:
                limits[name] = float(value)
            else:
                raise ValueError(f"{VARIABLE}: '{entry}': no such limit: {', '.join(LIMITS)}")
        return cls(tuple(triggers), limits)

    def reach(self, name: str, **details: int | str) -> None:
        """Act as the triggers of this failpoint say. `details` go to the driver."""
        with self._lock:
            self._counts[name] += 1
            count = self._counts[name]
        for trigger in self.triggers:
            if trigger.matches(name, count):
                action = trigger.action
                if action == "hold":
                    event = {"name": name, "count": count, "pid": os.getpid(), **details}
                    action = _ask(trigger.socket, event)
                _act(action, name)


def _trigger(entry: str, name: str, count: str, action: str) -> _Trigger:
    if name != _EACH and name not in FAILPOINTS:
        raise ValueError(f"{VARIABLE}: '{entry}': no such failpoint: {', '.join(FAILPOINTS)}")
    action, _, address = action.partition(":")
    if action not in ("kill", "raise", "hold") or (action == "hold") != bool(address):
        raise ValueError(f"{VARIABLE}: '{entry}': use kill, raise or hold:SOCKET")
    return _Trigger(name, None if count == _EACH else int(count), action, address)


def _ask(address: str, event: dict[str, int | str]) -> str:
    """Report an event to the driver and return its answer; without a driver, go on."""
    try:
        with socket.socket(socket.AF_UNIX) as connection:
            connection.connect(address)
            connection.sendall(json.dumps(event).encode() + b"\n")
            return connection.recv(_ANSWER_BYTES).decode().strip()
    except OSError:
        return "go"


def _act(action: str, name: str) -> None:
    if action == "kill":
        _kill()
    if action == "raise":
        raise FailpointReached(name)


def _kill() -> NoReturn:
    os.kill(os.getpid(), signal.SIGKILL)
    raise AssertionError("unreachable")


def _nothing(name: str, **details: int | str) -> None:
    """Do nothing: no failpoint is set."""


_set = Failpoints.parse(os.environ.get(VARIABLE, ""))

reach: Callable[..., None] = _set.reach if _set.triggers else _nothing


def limit(name: str, default: float) -> float:
    """Return a limit: its default, unless a test replaces it."""
    return _set.limits.get(name, default)
