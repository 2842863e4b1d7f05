"""How a run stands, read from Redis frame by frame."""

from dataclasses import replace
from typing import Any

import redis

from rushhour.core import keys
from rushhour.core.clock import ClockStatus
from rushhour.core.entry_ids import entry_order
from rushhour.core.gate import GateStatus, HourCommand
from rushhour.core.hours import SECOND_MS
from rushhour.core.run import RunInfo
from rushhour.runtime.wall_clock import wall_ts
from rushhour.simulator.run_view import SILENT_AFTER_S
from rushhour.simulator.web.live.mailbox import Alert, ClosedHour, Frame
from rushhour.simulator.web.reading.figures import encode, execute
from rushhour.simulator.web.reading.history import alert_of
from rushhour.simulator.web.reading.hours import read_latest_hour
from rushhour.simulator.web.reading.run_facts import run_facts
from rushhour.storage import submissions
from rushhour.storage.clock import hour_of_entry, simulated_ts
from rushhour.storage.runs import load_run

_BEFORE_ALL = "0-0"
_KEPT_ALERTS = 50
_MIN_BLOCK_MS = 1


class StateReader:
    """Reads what has changed since the last frame.

    `latest` holds all that a new page needs.
    """

    def __init__(self, client: redis.Redis) -> None:
        self._client = client
        self._begin(run_id="")

    def _begin(self, run_id: str) -> None:
        self._run_id = run_id
        self._last_hour = _BEFORE_ALL
        self._last_alert = _BEFORE_ALL
        self.latest = Frame()

    def wait(self, seconds: float) -> bool:
        """Wait for an hour to be closed, so many seconds at most; return whether one was."""
        block = max(_MIN_BLOCK_MS, round(seconds * SECOND_MS))
        after: dict[Any, Any] = {
            keys.CITY_HOURLY: self._last_hour,
            keys.ALERTS: self._last_alert,
        }
        return bool(self._client.xread(after, count=1, block=block))

    def read(self) -> Frame:
        """Return what has changed; a frame of nothing if nothing has.

        Raises
        ------
        RedisFailure
            If Redis holds no run.
        """
        pipe = self._client.pipeline(transaction=True)  # no hour closes between the replies
        for key in (keys.RUN, keys.CLOCK, keys.GATE, keys.ON_HOUR):
            pipe.hgetall(key)
        pipe.hget(keys.SUBMISSIONS, submissions.MODELS)
        pipe.xrevrange(keys.CITY_HOURLY, count=1)
        pipe.xrevrange(keys.ALERTS, min=f"({self._last_alert}", count=_KEPT_ALERTS)
        run, clock, gate, on_hour, submitted, hourly, alerts = execute(pipe)
        if run.get("run_id", "") != self._run_id or not run:
            self._begin(load_run(self._client).run_id)
            alerts = self._client.xrevrange(keys.ALERTS, count=_KEPT_ALERTS)
        newest = hourly[0][0] if hourly else _BEFORE_ALL
        now = Frame(
            run_id=self._run_id,
            run=encode(run_facts(RunInfo.from_fields(run), submissions.model_names(submitted))),
            clock=encode(clock_document(ClockStatus.from_fields(clock), newest, wall_ts())),
            gate=encode(gate_document(GateStatus.from_fields(gate), on_hour)),
            hour=self.latest.hour,
            alerts=self.latest.alerts,
        )
        if hourly and newest != self._last_hour:
            hour_ts = hour_of_entry(newest)
            body = encode(read_latest_hour(self._client, hour_ts, hourly[0][1]))
            now = replace(now, hour=ClosedHour(hour_ts, body))
            self._last_hour = newest
        new_alerts: tuple[Alert, ...] = ()
        if alerts:
            self._last_alert = alerts[0][0]
            new_alerts = tuple(
                Alert(entry_order(entry[0]), encode(alert_of(*entry))) for entry in alerts[::-1]
            )
            now = replace(now, alerts=(*self.latest.alerts, *new_alerts)[-_KEPT_ALERTS:])
        before, self.latest = self.latest, now
        return now.since(before, new_alerts)


def clock_document(status: ClockStatus | None, newest: str, now_ts: int) -> dict[str, Any]:
    """Return the clock as a page shows it.

    Parameters
    ----------
    newest
        Id of the last entry of `city:hourly`.
    now_ts
        Wall time (epoch ms): a producer that has been silent for longer is said to be so.
    """
    closed_ts = None if newest == _BEFORE_ALL else hour_of_entry(newest)
    if status is None:
        return {"state": "starting", "now_ts": None, "closed_ts": closed_ts, "speed": None}
    silent_s = (now_ts - status.heartbeat_ts) / SECOND_MS
    is_silent = silent_s > SILENT_AFTER_S and not status.has_ended
    return {
        "state": status.state,
        "now_ts": simulated_ts(status, closed_ts),
        "closed_ts": closed_ts,
        "speed": status.speed,
        "trips": status.trips,
        "pause_at_ts": status.pause_at_ts,
        "fast_until_ts": status.fast_until_ts,
        "start_over_ts": status.start_over_ts,
        "command_error": status.command_error,
        "silent_s": round(silent_s) if is_silent else None,
    }


def gate_document(gate: GateStatus, on_hour: dict[str, str]) -> dict[str, Any]:
    """Return who is awaited, and what the command of `--on-hour` does (None without one)."""
    command = HourCommand.from_fields(on_hour)
    return {
        "gates": list(gate.gates),
        "awaited": list(gate.awaited),
        "hour_ts": gate.hour_ts,
        "since_ts": gate.since_ts,
        "acknowledged": dict(gate.acknowledged),
        "refused": gate.refused,
        "refusal": gate.refusal,
        "on_hour": None
        if command is None
        else {"state": command.state, "hour_ts": command.hour_ts, "reason": command.reason},
    }
