"""What the producer reads from Redis and writes there, whatever other clients have written."""

from dataclasses import replace

import pytest
import redis

from producers.__main__ import saved_status
from producers.control import RedisControl
from producers.pacing.gate import Gate
from producers.pacing.ports import Commands
from rushhour.core import keys
from rushhour.core.clock import ClockStatus, Command
from rushhour.core.errors import RedisFailure, StackError, UsageError
from rushhour.core.hours import HOUR_MS
from rushhour.core.run import RunInfo
from rushhour.core.speed import Speed
from rushhour.core.timeline import KEPT_ENTRIES, Schedule, TimelineEntry
from rushhour.runtime.monitor import Health
from rushhour.storage.clock import check_entry, is_finished, load_status, save_status
from rushhour.storage.runs import save_run
from rushhour.storage.timeline import load_schedule, load_timeline, save_schedule
from tests.fixtures.redis_server import fence_of

START = 1_727_910_000_000
RUN = RunInfo("id", "green", "2024-10", "a", "/a", START, START + 30 * HOUR_MS)
STATUS = ClockStatus(START, "6h/s", "running", 3)


@pytest.fixture
def control(client: redis.Redis) -> RedisControl:
    save_run(client, RUN)
    return control_of(client)


def control_of(client: redis.Redis) -> RedisControl:
    fence = fence_of(client, "producer-0")
    return RedisControl(client, fence, RUN, "0-0", Gate(START - HOUR_MS), Health())


def refusals(commands: Commands) -> list[str]:
    assert all(isinstance(command, UsageError) for _, command in commands)
    return [str(command) for _, command in commands]


@pytest.mark.parametrize(
    "fields",
    [
        {b"command": b"\xff\xfe"},
        {b"\xff": b"pause"},
        {b"command": b"speed", b"value": b"\xc3\x28"},
        {b"command": b"speed", b"value": b"9" * 308},
        {b"command": b"speed", b"value": b"9" * 400},
        {b"command": b"speed", b"value": b"0." + b"0" * 300 + b"1"},
        {b"command": b"speed", b"value": b"6h/s\n6h/s"},
        {b"value": b"x" * 100_000},
    ],
)
def test_an_absurd_command_is_refused_in_one_line_and_the_next_one_is_obeyed(
    client: redis.Redis, control: RedisControl, fields: dict[bytes, bytes]
) -> None:
    client.xadd(keys.COMMANDS, fields)  # type: ignore[arg-type]
    (message,) = refusals(control.wait(0.0, "clock"))
    assert "\n" not in message
    assert len(message) < 200
    client.xadd(keys.COMMANDS, Command("pause").to_fields())  # type: ignore[arg-type]
    assert [command for _, command in control.wait(0.0, "clock")] == [Command("pause")]


@pytest.mark.parametrize("speed", ["9" * 308, "\\xff", ""])
def test_a_saved_speed_that_cannot_be_read_is_replaced(client: redis.Redis, speed: str) -> None:
    save_status(client, STATUS)
    client.hset(keys.CLOCK, "speed", speed)
    status = saved_status(client, Speed.parse("1h/s"))
    assert status is not None
    assert (status.speed, status.trips) == ("1h/s", 3)


def test_commands_are_deleted_once_they_are_processed(
    client: redis.Redis, control: RedisControl
) -> None:
    for _ in range(1_000):
        client.xadd(keys.COMMANDS, Command("pause").to_fields())  # type: ignore[arg-type]
    seen: list[str] = []
    while found := control.wait(0.0, "clock"):
        seen += [command_id for command_id, _ in found]
        control.publish(ClockStatus(START, "6h/s", "paused", 3, seen[-1]))
    assert len(set(seen)) == 1_000
    assert int(str(client.xlen(keys.COMMANDS))) <= 100


def test_the_status_has_a_heartbeat(client: redis.Redis, control: RedisControl) -> None:
    control.publish(STATUS)
    first = load_status(client)
    control.publish(STATUS)
    second = load_status(client)
    assert first is not None
    assert second is not None
    seconds, micros = client.time()
    now = seconds * 1000 + micros // 1000
    assert now - 10_000 < first.heartbeat_ts <= second.heartbeat_ts <= now + 1_000


def test_a_producer_that_was_replaced_writes_no_status(
    client: redis.Redis, control: RedisControl
) -> None:
    control_of(client).publish(STATUS)
    before = client.hgetall(keys.CLOCK)
    with pytest.raises(StackError, match=r"^another producer-0 has taken over: this one ends$"):
        control.publish(ClockStatus(START + 5, "max", "finished", 4))
    assert client.hgetall(keys.CLOCK) == before


def test_commands_are_told_with_the_status_or_not_at_all(
    client: redis.Redis, control: RedisControl
) -> None:
    entry = TimelineEntry(1, "5-0", "speed", "1h/s", "", START)
    other = replace(entry, number=2, error="no")
    control.publish(STATUS, [entry, other])
    assert load_timeline(client) == (entry, other)
    control.publish(STATUS)
    control_of(client)
    with pytest.raises(StackError, match="another producer-0 has taken over"):
        control.publish(ClockStatus(START + 5, "max", "running", 4), [replace(entry, number=3)])
    assert load_timeline(client) == (entry, other)
    status = load_status(client)
    assert status is not None
    assert status.now_ts == START


def test_of_too_many_commands_the_last_are_kept(client: redis.Redis, control: RedisControl) -> None:
    entry = TimelineEntry(1, "5-0", "pause", "", "", START)
    entries = [replace(entry, number=number) for number in range(1, KEPT_ENTRIES + 3)]
    control.publish(STATUS, entries[:-1])
    control.publish(STATUS, entries[-1:])
    client.xadd(keys.TIMELINE, {"any": "thing"})  # of another client
    assert load_timeline(client) == tuple(entries[2:])


def test_what_is_repeated_is_read_back_as_written(client: redis.Redis) -> None:
    assert load_schedule(client) == Schedule()
    entry = TimelineEntry(1, "5-0", "seek", "2024-10-01", "", START + 5, START)
    for stop_at in (None, START + 7):
        save_schedule(client, "id", Schedule((entry, replace(entry, target_ts=None)), stop_at))
        assert load_schedule(client).stop_at == stop_at
        assert load_schedule(client).entries == (entry, replace(entry, target_ts=None))


@pytest.mark.parametrize("run_id", ["other", None])
def test_a_producer_writes_no_status_over_another_run(
    client: redis.Redis, control: RedisControl, run_id: str | None
) -> None:
    client.delete(keys.RUN)
    if run_id is not None:
        client.hset(keys.RUN, "run_id", run_id)
    with pytest.raises(RedisFailure) as caught:
        control.publish(STATUS)
    assert caught.value.exit_code == 5
    assert not client.exists(keys.CLOCK)


FOREIGN = [
    "1764000000000-0",  # as XADD with * writes it
    f"{START + 30 * HOUR_MS}-0",  # after the last hour of the run
    f"{START + 1}-0",
    f"{START}-1",
]


@pytest.mark.parametrize("entry_id", FOREIGN)
def test_an_entry_that_is_not_an_hour_of_the_run_stops_the_producer(
    client: redis.Redis, control: RedisControl, entry_id: str
) -> None:
    client.xadd(keys.CITY_HOURLY, {"hour": "any"}, id=entry_id)
    for use in (lambda: control.wait(0.0, "clock"), lambda: is_finished(client, RUN)):
        with pytest.raises(RedisFailure) as caught:
            use()
        assert f"XDEL city:hourly {entry_id}" in str(caught.value)
        assert caught.value.exit_code == 5


def test_the_hours_of_the_run_are_read_in_their_order(
    client: redis.Redis, control: RedisControl
) -> None:
    for hour in range(START, RUN.end_ts, HOUR_MS):
        client.xadd(keys.CITY_HOURLY, {"hour": "any"}, id=f"{hour}-0")
    control.wait(0.0, "clock")
    assert control.gate.last_closed == RUN.end_ts - HOUR_MS
    assert check_entry(f"{START}-0", RUN) == START
    assert is_finished(client, RUN)
