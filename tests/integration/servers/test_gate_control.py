"""Acknowledgements over a socket: from redis-cli and Python, before and after a restart."""

from concurrent.futures import ThreadPoolExecutor

import pytest
import redis

from producers.control import RedisControl
from producers.pacing.gate import Gate
from rushhour import gates
from rushhour.core import keys
from rushhour.core.clock import ClockStatus
from rushhour.core.errors import RedisFailure, StackError, UsageError
from rushhour.core.hours import HOUR_MS, to_datetime
from rushhour.core.run import RunInfo
from rushhour.runtime.monitor import Health
from rushhour.simulator.stack.redis_server import EmbeddedRedis
from rushhour.storage.clock import save_status
from rushhour.storage.gate import acknowledge, load_gate
from rushhour.storage.runs import save_run
from tests.fixtures.redis_cli import needs_redis_cli, redis_cli
from tests.fixtures.redis_server import fence_of
from tests.fixtures.waiting import wait_until

START = 1_727_910_000_000  # 2024-10-02 23:00
RUN = RunInfo("id", "green", "2024-10", "a", "/a", START, START + 30 * HOUR_MS)
NAMES = ("features", "inference")


def control_of(
    client: redis.Redis, names: tuple[str, ...] = NAMES, first_hour: int = START
) -> RedisControl:
    entries = client.xrevrange(keys.CITY_HOURLY, count=1)
    last = int(str(entries[0][0]).partition("-")[0]) if entries else START - HOUR_MS
    gate = Gate(last, names, first_hour, load_gate(client))
    return RedisControl(client, fence_of(client, "producer-0"), RUN, "0-0", gate, Health())


@pytest.fixture
def control(client: redis.Redis) -> RedisControl:
    save_run(client, RUN)
    save_status(client, ClockStatus(START, "6h/s", "running", 3))
    return control_of(client)


def close(client: redis.Redis, hour: int) -> None:
    client.xadd(keys.CITY_HOURLY, {"hour": "any"}, id=f"{START + hour * HOUR_MS}-0")


@needs_redis_cli
def test_redis_cli_acknowledges_an_hour(
    client: redis.Redis, redis_server: EmbeddedRedis, control: RedisControl
) -> None:
    close(client, 0)
    control.wait(0.0, "clock")
    assert control.gate.holds(START + HOUR_MS)
    fields = redis_cli(
        redis_server.url, "HMGET", "sim:gate", "gates", "hour", "awaited"
    ).splitlines()
    assert fields == ["features,inference", "2024-10-02T23", "features,inference"]
    for name in NAMES:
        words = ("XADD", "sim:acks", "*", "gate", name, "hour", "2024-10-02T23")
        entry_id = redis_cli(redis_server.url, *words)
    control.wait(0.0, "clock")
    assert not control.gate.holds(START + HOUR_MS)
    fields = redis_cli(redis_server.url, "HMGET", "sim:gate", "hour", "awaited", "ack").split("\n")
    assert fields == ["", "", entry_id]
    assert (
        redis_cli(redis_server.url, "HGET", "sim:gate", "acknowledged:inference") == "2024-10-02T23"
    )


@needs_redis_cli
@pytest.mark.parametrize(
    ("words", "refusal"),
    [
        (("gate", "inference", "hour", "2024-10-03T00"), "2024-10-03 00:00 is not closed yet"),
        (("gate", "inferense", "hour", "2024-10-02T23"), "there is no such gate"),
        (("gate", "inference", "hour", "noon"), "hour 'noon' is not an hour"),
        (("gate", "inference"), "hour '' is not an hour"),
        (("gate", "inference", "hour", "9999-12-31T23-23:00"), "is not an hour"),
        (("hello", "world"), "gate '' is not a name"),
    ],
)
def test_what_does_not_count_is_refused_with_its_reason(
    client: redis.Redis,
    redis_server: EmbeddedRedis,
    control: RedisControl,
    words: tuple[str, ...],
    refusal: str,
) -> None:
    close(client, 0)
    redis_cli(redis_server.url, "XADD", "sim:acks", "*", *words)
    control.wait(0.0, "clock")
    status = load_gate(client)
    assert (status.refused, status.awaited) == (1, NAMES)
    assert refusal in status.refusal


def test_the_wait_and_what_was_acknowledged_survive_a_restart_of_the_producer(
    client: redis.Redis, control: RedisControl
) -> None:
    close(client, 0)
    control.wait(0.0, "clock")
    acknowledge(client, "features", START)
    control.wait(0.0, "clock")
    before = load_gate(client)
    assert before.awaited == ("inference",)

    again = control_of(client)
    again.wait(0.0, "clock")
    assert load_gate(client) == before

    # One that comes while no producer is there counts as soon as the next one is.
    acknowledge(client, "inference", START)
    third = control_of(client)
    assert third.gate.holds(START + HOUR_MS)
    third.wait(0.0, "clock")
    assert not third.gate.holds(START + HOUR_MS)


def test_a_producer_killed_between_reading_and_writing_reads_the_acknowledgement_again(
    client: redis.Redis, control: RedisControl, monkeypatch: pytest.MonkeyPatch
) -> None:
    close(client, 0)
    control.wait(0.0, "clock")
    for name in NAMES:
        acknowledge(client, name, START)

    class Killed(Exception):
        pass

    def kill(name: str) -> None:
        raise Killed(name)

    with monkeypatch.context() as patch:
        patch.setattr("producers.control.reach", kill)
        with pytest.raises(Killed):
            control.wait(0.0, "clock")
    assert load_gate(client).awaited == NAMES

    again = control_of(client)
    again.wait(0.0, "clock")
    assert load_gate(client).awaited == ()
    assert load_gate(client).refused == 0


def test_acknowledgements_are_deleted_once_they_are_read(
    client: redis.Redis, control: RedisControl
) -> None:
    close(client, 0)
    for _ in range(1_000):
        acknowledge_unchecked(client)
    last = ""
    while (found := control.gate.status.ack) != last:
        last = found
        control.wait(0.0, "clock")
    assert int(str(client.xlen(keys.ACKS))) <= 100


def acknowledge_unchecked(client: redis.Redis) -> None:
    client.xadd(keys.ACKS, {"gate": "features", "hour": "2024-10-02T23"})


def test_a_producer_that_was_replaced_does_not_write_who_is_awaited(
    client: redis.Redis, control: RedisControl
) -> None:
    control_of(client)
    close(client, 0)
    with pytest.raises(StackError, match=r"^another producer-0 has taken over: this one ends$"):
        control.wait(0.0, "clock")
    assert not client.exists(keys.GATE)


def test_a_run_without_gates_reads_and_writes_none_of_this(client: redis.Redis) -> None:
    save_run(client, RUN)
    control = control_of(client, ())
    acknowledge_unchecked(client)
    close(client, 0)
    control.wait(0.0, "clock")
    control.publish(ClockStatus(START, "6h/s", "running", 3))
    assert not client.exists(keys.GATE)
    assert client.xlen(keys.ACKS) == 1


def test_a_producer_without_gates_takes_those_of_an_earlier_one_away(
    client: redis.Redis, control: RedisControl
) -> None:
    close(client, 0)
    control.wait(0.0, "clock")
    assert load_gate(client).awaited == NAMES
    control_of(client, ()).wait(0.0, "clock")
    assert (load_gate(client).gates, load_gate(client).awaited) == ((), ())


# From Python.


def test_python_acknowledges_the_last_closed_hour_or_a_given_one(
    client: redis.Redis, control: RedisControl
) -> None:
    close(client, 0)
    control.wait(0.0, "clock")
    gates.acknowledge(client, "features")
    gates.acknowledge(client, "inference", "2024-10-02 23:00")
    control.wait(0.0, "clock")
    assert load_gate(client).acknowledged == dict.fromkeys(NAMES, START)


def test_python_says_at_once_what_would_be_refused(
    client: redis.Redis, control: RedisControl
) -> None:
    control.wait(0.0, "clock")
    with pytest.raises(RedisFailure, match=r"^no hour is closed yet"):
        gates.acknowledge(client, "features")
    close(client, 0)
    control.wait(0.0, "clock")
    with pytest.raises(UsageError, match=r"does not wait for a gate 'model': it waits for feat"):
        gates.acknowledge(client, "model")
    with pytest.raises(UsageError, match=r"^hour 2024-10-03 00:00 is not closed yet"):
        gates.acknowledge(client, "features", START + HOUR_MS)


def test_the_hours_of_a_gate_come_in_order_and_again_if_they_were_not_done(
    client: redis.Redis, control: RedisControl
) -> None:
    control.wait(0.0, "clock")
    close(client, 0)
    control.wait(0.0, "clock")
    hours = gates.hours(client, "inference")
    assert next(hours) == to_datetime(START)
    hours = gates.hours(client, "inference")  # the first one is gone, as if it were killed
    assert next(hours) == to_datetime(START)
    close(client, 1)
    assert next(hours) == to_datetime(START + HOUR_MS)
    control.wait(0.0, "clock")
    assert load_gate(client).acknowledged == {"inference": START}

    # The acknowledgement of the second hour was not read yet: it is asked for once more.
    again = gates.hours(client, "inference")
    assert next(again) == to_datetime(START + HOUR_MS)


def test_hours_that_the_clock_passes_on_its_way_to_its_start_are_none_of_a_gate(
    client: redis.Redis,
) -> None:
    """A pipeline that worked for them would submit its predictions too late."""
    save_run(client, RUN)
    save_status(client, ClockStatus(START, "6h/s", "running", 3))
    first = START + 3 * HOUR_MS
    control = control_of(client, first_hour=first)
    control.wait(0.0, "clock")
    for hour in (0, 1):
        close(client, hour)
        control.wait(0.0, "clock")
    with ThreadPoolExecutor(1) as threads:
        asked = threads.submit(next, gates.hours(client, "inference"))
        reads = client.info("commandstats")["cmdstat_xread"]["calls"]
        wait_until(
            lambda: client.info("commandstats")["cmdstat_xread"]["calls"] > reads, "it looks"
        )
        for hour in (2, 3):
            close(client, hour)
            control.wait(0.0, "clock")
        assert asked.result(30.0) == to_datetime(first)


def test_the_hours_of_a_gate_end_with_the_run(client: redis.Redis, control: RedisControl) -> None:
    control.wait(0.0, "clock")
    for hour in range(28, 30):
        close(client, hour)
        control.wait(0.0, "clock")
    assert list(gates.hours(client, "inference")) == [to_datetime(RUN.end_ts - HOUR_MS)]
    assert list(gates.hours(client, "features")) == [to_datetime(RUN.end_ts - HOUR_MS)]
    control.wait(0.0, "clock")
    assert not control.gate.holds(RUN.end_ts)
    assert list(gates.hours(client, "features")) == []


def test_the_hours_of_a_gate_that_nobody_waits_for_are_an_error(
    client: redis.Redis, control: RedisControl
) -> None:
    control.wait(0.0, "clock")
    with pytest.raises(UsageError, match="does not wait for a gate 'model'"):
        next(gates.hours(client, "model"))


def test_the_hours_of_a_gate_end_when_the_run_is_stopped_or_replaced(
    client: redis.Redis, control: RedisControl
) -> None:
    control.wait(0.0, "clock")
    save_status(client, ClockStatus(START, "6h/s", "stopped", 3))
    assert list(gates.hours(client, "inference")) == []
    hours = gates.hours(client, "inference")
    close(client, 0)
    assert next(hours) == to_datetime(START)
    client.hset(keys.RUN, "run_id", "other")
    with pytest.raises(RedisFailure, match="another run has started"):
        next(hours)
