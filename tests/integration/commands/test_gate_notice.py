"""Whoever waits for hours is told which gate they wait for."""

import time

import pytest
import redis

from rushhour.core import keys
from rushhour.core.clock import ClockStatus
from rushhour.core.gate import GateStatus
from rushhour.runtime.wall_clock import wall_ts
from rushhour.simulator.terminal.gate_notice import LONG_WAIT_S, GateNotice
from rushhour.storage.clock import save_status
from rushhour.storage.closed_hours import follow_hours
from tests.fixtures.closed_run import HOUR, START, close_hours

LONG_MS, SHORT_MS = (round(1_000 * (LONG_WAIT_S + second)) for second in (1, -5))


def wait_for(client: redis.Redis, hour_ts: int, since_ts: int) -> None:
    status = GateStatus(("mine",), hour_ts, ("mine",), since_ts)
    client.hset(keys.GATE, mapping=dict(status.to_fields()))  # type: ignore[arg-type]


def test_a_gate_that_is_awaited_for_long_is_told_once_for_each_hour(client: redis.Redis) -> None:
    close_hours(client, 2)
    notice = GateNotice(client)
    assert notice.line() is None
    wait_for(client, START, wall_ts() - SHORT_MS)
    assert notice.line() is None
    wait_for(client, START, wall_ts() - LONG_MS)
    assert notice.line() == "gate waits 11 s for mine (2024-10-02 23:00)"
    assert notice.line() is None
    wait_for(client, START + HOUR, wall_ts() - LONG_MS)
    assert notice.line() == "gate waits 11 s for mine (2024-10-03 00:00)"


class IdleError(Exception):
    """Nothing was closed."""


def test_who_follows_hours_hears_that_none_is_closed(client: redis.Redis) -> None:
    close_hours(client, 1)
    now_ms = round(time.time() * 1000)
    save_status(client, ClockStatus(START + HOUR, "6h/s", "waiting", 0, heartbeat_ts=now_ms))

    def idle() -> None:
        raise IdleError

    hours = follow_hours(client, START, START + 2 * HOUR, idle)
    assert next(hours).hour_ts == START
    with pytest.raises(IdleError):
        next(hours)
