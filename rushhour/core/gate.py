"""The interface of the hour gate: who is awaited before the clock goes on, and acknowledgements.

The clock passes an hour when the first trip of the next hour is sent. With gates it does so only
once each of them has acknowledged the hour, after it was closed.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Literal, cast, get_args

from rushhour.core.entry_ids import is_entry_id
from rushhour.core.errors import UsageError
from rushhour.core.events import EARLIEST_MS, LATEST_MS
from rushhour.core.foreign import shown
from rushhour.core.hours import SECOND_MS, hour_label, parse_from, parse_label

# The gate of the command that `rushhour up` runs after each hour.
ON_HOUR = "on-hour"

_NAME = re.compile(r"[A-Za-z0-9_.-]{1,40}", re.ASCII)
_ACKNOWLEDGED = "acknowledged:"


def parse_gates(text: str) -> tuple[str, ...]:
    """Return the names of gates, which are separated by commas; each once.

    >>> parse_gates("features, inference"), parse_gates("")
    (('features', 'inference'), ())

    Raises
    ------
    UsageError
        If a name has other characters than letters, digits, '_', '.' and '-', or over 40 of them.
    """
    names = [name.strip() for name in text.split(",")] if text.strip() else []
    for name in names:
        if not _NAME.fullmatch(name):
            raise UsageError(
                f"gate '{shown(name)}' is not a name: use up to 40 letters, digits, '_', '.' or "
                "'-', and commas between several"
            )
    return tuple(dict.fromkeys(names))


@dataclass(frozen=True, slots=True)
class Acknowledgement:
    """A gate has done its work for all hours up to this one (its start, epoch ms)."""

    gate: str
    hour_ts: int

    def to_fields(self) -> dict[str, str]:
        """Return the acknowledgement as the fields of a stream entry."""
        return {"gate": self.gate, "hour": hour_label(self.hour_ts)}

    @classmethod
    def from_fields(cls, fields: Mapping[str, str]) -> "Acknowledgement":
        """Read a stream entry; any client may have written it.

        Raises
        ------
        UsageError
            If the entry is not an acknowledgement.
        """
        gate, hour = fields.get("gate", ""), fields.get("hour", "")
        if not _NAME.fullmatch(gate):
            raise UsageError(f"gate '{shown(gate)}' is not a name: write gate NAME hour HOUR")
        try:
            hour_ts = parse_from(hour)
            if not EARLIEST_MS <= hour_ts < LATEST_MS:
                raise UsageError
            return cls(gate, hour_ts)
        except (UsageError, OverflowError):
            raise UsageError(
                f"gate {gate}: hour '{shown(hour)}' is not an hour: write it as 2024-10-02T23"
            ) from None


@dataclass(frozen=True, slots=True)
class GateStatus:
    """Who is awaited, and what each gate has acknowledged.

    `gates` are their names. `hour_ts` is the closed hour that `awaited` of them have yet to
    acknowledge, and `since_ts` the wall time at which the first wait for it began (both epoch ms);
    None while nobody is awaited. `acknowledged` is the last hour of each gate (epoch ms). `ack` is
    the id of the last entry of `sim:acks` that was read, `refused` how many were refused since the
    run began, and `refusal` why the last one was.
    """

    gates: tuple[str, ...] = ()
    hour_ts: int | None = None
    awaited: tuple[str, ...] = ()
    since_ts: int | None = None
    acknowledged: Mapping[str, int] = field(default_factory=dict)
    ack: str = "0-0"
    refused: int = 0
    refusal: str = ""

    def waited_s(self, now_ts: int) -> float:
        """Return how long the awaited gates have been awaited, given the wall time (epoch ms)."""
        return 0.0 if self.since_ts is None else max(0.0, (now_ts - self.since_ts) / SECOND_MS)

    def to_fields(self) -> dict[str, str | int]:
        """Return the status as the fields of a hash."""
        return {
            "gates": ",".join(self.gates),
            "hour": "" if self.hour_ts is None else hour_label(self.hour_ts),
            "awaited": ",".join(self.awaited),
            "since_ts": "" if self.since_ts is None else self.since_ts,
            "ack": self.ack,
            "refused": self.refused,
            "refusal": self.refusal,
        } | {f"{_ACKNOWLEDGED}{gate}": hour_label(ts) for gate, ts in self.acknowledged.items()}

    @classmethod
    def from_fields(cls, fields: Mapping[str, str]) -> "GateStatus":
        """Return the status that `to_fields` has written; one without gates if there is none.

        A status that cannot be read, because another client has changed it, counts as none: gates
        are then asked for the hour again.
        """
        try:
            return cls._read(fields)
        except (KeyError, ValueError, UsageError):
            return cls()

    @classmethod
    def _read(cls, fields: Mapping[str, str]) -> "GateStatus":
        if not is_entry_id(fields["ack"]):
            raise ValueError
        hour, since = fields["hour"], fields["since_ts"]
        return cls(
            gates=parse_gates(fields["gates"]),
            hour_ts=parse_label(hour) if hour else None,
            awaited=parse_gates(fields["awaited"]),
            since_ts=int(since) if since else None,
            acknowledged={
                name.removeprefix(_ACKNOWLEDGED): parse_label(label)
                for name, label in fields.items()
                if name.startswith(_ACKNOWLEDGED)
            },
            ack=fields["ack"],
            refused=int(fields["refused"]),
            refusal=fields["refusal"],
        )


HourCommandState = Literal["running", "failed"]


@dataclass(frozen=True, slots=True)
class HourCommand:
    """The command of `--on-hour`: it runs, or has failed and keeps the clock paused.

    `command` is as it was given, `hour_ts` the hour that it runs for (epoch ms), and `since_ts` the
    wall time at which it was started (epoch ms). `reason` is why it failed, and `output` the last
    lines that it printed; both are empty while it runs.
    """

    command: str
    hour_ts: int
    state: HourCommandState
    since_ts: int
    reason: str = ""
    output: str = ""

    def failed(self, reason: str, output: str) -> "HourCommand":
        """Return the command after it has failed."""
        return replace(self, state="failed", reason=reason, output=output)

    def to_fields(self) -> dict[str, str | int]:
        """Return the command as the fields of a hash."""
        return {
            "command": self.command,
            "hour": hour_label(self.hour_ts),
            "state": self.state,
            "since_ts": self.since_ts,
            "reason": self.reason,
            "output": self.output,
        }

    @classmethod
    def from_fields(cls, fields: Mapping[str, str]) -> "HourCommand | None":
        """Return the command that `to_fields` has written; None if there is none to be read."""
        try:
            state = fields["state"]
            if state not in get_args(HourCommandState):
                raise ValueError(state)
            return cls(
                command=fields["command"],
                hour_ts=parse_label(fields["hour"]),
                state=cast(HourCommandState, state),
                since_ts=int(fields["since_ts"]),
                reason=fields["reason"],
                output=fields["output"],
            )
        except (KeyError, ValueError):
            return None
