"""The fence around Redis: what a process may write, and what it is told when it may not."""

from collections.abc import Callable

import pytest
import redis
from redis.client import Pipeline

from rushhour.core import keys
from rushhour.core.errors import RedisFailure, RushhourError, StackError
from rushhour.core.run import RunInfo
from rushhour.runtime.fence import READ_FENCE, Condition, Fence, StaleState
from rushhour.runtime.lua import Script
from rushhour.runtime.redis_client import connect
from rushhour.simulator.stack.redis_server import EmbeddedRedis
from rushhour.storage.runs import join_run, save_run
from tests.fixtures.redis_server import fence_of

KEY = keys.zone(132)
EPOCH = keys.epoch("consumer-0")
RUN = RunInfo("id", "green", "2024-10", "a", "/a", 1_727_910_000_000, 1_727_913_600_000)
Write = Callable[[redis.Redis, Fence], object]


@pytest.fixture
def fence(client: redis.Redis) -> Fence:
    save_run(client, RUN)
    return fence_of(client)


def queue(pipe: Pipeline) -> None:
    pipe.hset(KEY, "rides", 7)


def by_transaction(client: redis.Redis, fence: Fence) -> object:
    return fence.execute(client, queue)


def by_script(client: redis.Redis, fence: Fence) -> object:
    fence.write_hash(client, KEY, {"rides": 7})
    return None


both_ways = pytest.mark.parametrize("write", [by_transaction, by_script])


@both_ways
def test_the_holder_writes(client: redis.Redis, fence: Fence, write: Write) -> None:
    write(client, fence)
    assert client.hgetall(KEY) == {"rides": "7"}


@both_ways
@pytest.mark.parametrize(
    ("change", "kind", "message"),
    [
        (("INCR", EPOCH), StackError, "another consumer-0 has taken over: this one ends"),
        (("DECR", EPOCH), StaleState, "Redis went back in time: sim:epoch:consumer-0 is 0 instead"),
        (("DEL", EPOCH), StaleState, "Redis went back in time: sim:epoch:consumer-0 is 0 instead"),
        (("DEL", keys.RUN), RedisFailure, "this Redis has lost run id: restore its data, or "),
        (("HSET", keys.RUN, "run_id", "b"), RedisFailure, "this Redis holds run b now instead of"),
    ],
)
def test_nobody_else_writes(
    client: redis.Redis,
    fence: Fence,
    write: Write,
    change: tuple[str, ...],
    kind: type[RushhourError],
    message: str,
) -> None:
    client.execute_command(*change)  # type: ignore[no-untyped-call]
    with pytest.raises(kind) as caught:
        write(client, fence)
    assert str(caught.value).startswith(message)
    assert not client.exists(KEY)


@pytest.mark.parametrize("key", [EPOCH, keys.RUN])
def test_a_change_between_the_check_and_the_write_is_noticed(
    client: redis.Redis, fence: Fence, key: str
) -> None:
    def late(pipe: Pipeline) -> None:
        queue(pipe)
        client.delete(key)

    with pytest.raises(RedisFailure):
        fence.execute(client, late)
    assert not client.exists(KEY)


def test_a_key_that_changes_again_and_again_ends_the_attempts(
    client: redis.Redis, fence: Fence
) -> None:
    condition = Condition(Script(f"return {{{READ_FENCE}}}"), watched=(keys.CITY_HOURLY,))
    tries = []

    def disturbed(pipe: Pipeline) -> None:
        queue(pipe)
        tries.append(client.xadd(keys.CITY_HOURLY, {"x": 1}))

    with pytest.raises(RedisFailure, match=r"^city:hourly changed 100 times in a row"):
        fence.execute(client, disturbed, condition)
    assert len(tries) == 100
    assert not client.exists(KEY)


def test_a_condition_that_does_not_hold_writes_nothing(client: redis.Redis, fence: Fence) -> None:
    script = Script(f"return {{{READ_FENCE}, redis.call('GET', KEYS[3]), ARGV[1]}}")
    found: list[object] = []

    def holds(values: object) -> bool:
        found.append(values)
        return False

    condition = Condition(script, ("any",), ("argument",), holds=holds)
    assert fence.execute(client, queue, condition) is None
    assert found == [[None, "argument"]]
    assert not client.exists(KEY)


def test_a_connection_that_breaks_is_an_outage_and_not_a_conflict(
    redis_server: EmbeddedRedis, client: redis.Redis, fence: Fence
) -> None:
    """Another attempt would write what fits to a state that Redis may have lost by then."""
    own = connect(redis_server.url, reconnect=False)
    calls: list[str] = []

    def cut(pipe: Pipeline) -> None:
        queue(pipe)
        calls.append("queued")
        client.client_kill_filter(_type="normal", skipme=True)

    with pytest.raises(redis.ConnectionError):
        fence.execute(own, cut)
    assert calls == ["queued"]
    assert not client.exists(KEY)


def test_a_transaction_that_redis_refuses_does_not_damage_the_run(
    client: redis.Redis, fence: Fence
) -> None:
    def refused(pipe: Pipeline) -> None:
        queue(pipe)
        pipe.execute_command("NO-SUCH-COMMAND")  # type: ignore[no-untyped-call]

    with pytest.raises(redis.ResponseError):
        fence.execute(client, refused)
    assert not client.exists(KEY)
    assert join_run(client) == RUN


def test_a_transaction_that_fails_in_part_stops_all_processes_until_the_run_starts_anew(
    client: redis.Redis, fence: Fence
) -> None:
    def spoilt(pipe: Pipeline) -> None:
        pipe.hset(keys.rides("2024-10-02T23"), "132", 7)
        queue(pipe)

    client.set(KEY, "another's")
    with pytest.raises(redis.ResponseError, match="WRONGTYPE"):
        fence.execute(client, spoilt)
    with pytest.raises(RedisFailure, match=r"failed in part \(.*WRONGTYPE.*--new`$"):
        join_run(client)
    client.delete(keys.RUN)
    save_run(client, RUN)
    assert join_run(client) == RUN
