"""Which parts are alive: a name is held by one process at a time, and free once it is gone."""

import os
import signal
import socket
import subprocess
import sys
import textwrap
from collections.abc import Callable, Iterator

import pytest
import redis

from rushhour.core import keys
from rushhour.core.errors import RedisFailure, StackError
from rushhour.runtime import lease as presence
from rushhour.runtime.lease import Lease, live_processes, wait_until_alone
from rushhour.simulator.stack.redis_server import EmbeddedRedis
from tests.fixtures.waiting import WaitUntil

pytestmark = pytest.mark.integration

PART = "consumer-1"
KEY = "sim:lease:consumer-1"
ME = f"{socket.gethostname()}:{os.getpid()}"
ELSEWHERE = "another-host:99999999"  # an id that no process of this host has
Holder = subprocess.Popen[bytes]
# Of another process, with the lease of real life; it ends when its stdin does.
HOLD = textwrap.dedent("""
    import sys
    from rushhour.runtime.lease import Lease

    with Lease(sys.argv[1], sys.argv[2]):
        sys.stdin.read()
""")


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """A lease in this process of half a second, so that no test waits for long."""
    monkeypatch.setattr(presence, "LEASE_S", 0.4)
    monkeypatch.setattr(presence, "_RENEW_S", 0.1)
    monkeypatch.setattr(presence, "_LOOK_S", 0.01)


@pytest.fixture
def hold(
    redis_server: EmbeddedRedis, client: redis.Redis, wait_until: WaitUntil
) -> Iterator[Callable[[str], Holder]]:
    """A function that starts another process which holds a name."""
    started: list[Holder] = []

    def start(part: str) -> Holder:
        command = [sys.executable, "-c", HOLD, redis_server.url, part]
        process = subprocess.Popen(command, stdin=subprocess.PIPE)
        started.append(process)
        wait_until(lambda: client.exists(keys.lease(part)), f"{part} is held")
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate()


def owner(process: Holder) -> str:
    return f"{socket.gethostname()}:{process.pid}"


def test_a_name_says_who_holds_it_and_is_free_afterwards(
    redis_server: EmbeddedRedis, client: redis.Redis
) -> None:
    with Lease(redis_server.url, PART):
        assert client.get(KEY) == ME
        assert 0 < int(str(client.pttl(KEY))) <= presence.LEASE_S * 1000
    assert client.get(KEY) is None


def test_a_name_is_free_after_an_error_too(
    redis_server: EmbeddedRedis, client: redis.Redis
) -> None:
    with pytest.raises(ZeroDivisionError), Lease(redis_server.url, PART):
        _ = 1 // 0
    assert client.get(KEY) is None


def test_a_name_is_held_for_longer_than_its_lease(
    redis_server: EmbeddedRedis, client: redis.Redis, wait_until: WaitUntil, quick: None
) -> None:
    with Lease(redis_server.url, PART):
        for _ in range(3):
            client.pexpire(KEY, 300)
            wait_until(lambda: int(str(client.pttl(KEY))) > 300, "the lease is renewed")
        assert client.get(KEY) == ME


def test_a_name_that_redis_has_lost_comes_back(
    redis_server: EmbeddedRedis, client: redis.Redis, wait_until: WaitUntil, quick: None
) -> None:
    with Lease(redis_server.url, PART):
        client.delete(KEY)
        wait_until(lambda: client.get(KEY) == ME, "the lease is renewed")


def test_a_name_that_another_process_holds_is_refused_with_who_it_is(
    redis_server: EmbeddedRedis, client: redis.Redis, hold: Callable[[str], Holder], quick: None
) -> None:
    first = hold(PART)

    with pytest.raises(StackError) as caught, Lease(redis_server.url, PART):
        pytest.fail("both are at work")

    assert str(caught.value) == (
        f"another {PART} is running on {redis_server.url} ({owner(first)}): stop it first"
    )
    assert caught.value.exit_code == 6
    assert client.get(KEY) == owner(first)


def test_parts_of_other_names_do_not_mind_each_other(
    redis_server: EmbeddedRedis, client: redis.Redis, hold: Callable[[str], Holder]
) -> None:
    others = {part: owner(hold(part)) for part in ("consumer-0", "dataflow-1")}
    with Lease(redis_server.url, PART):
        assert client.get(KEY) == ME
    assert live_processes(client) == others


def test_the_name_of_a_process_of_this_host_that_was_killed_is_free_at_once(
    redis_server: EmbeddedRedis, client: redis.Redis, hold: Callable[[str], Holder], quick: None
) -> None:
    first = hold(PART)
    first.kill()
    first.wait()
    assert client.persist(KEY)  # so that it is not its end that we wait for

    with Lease(redis_server.url, PART):
        assert client.get(KEY) == ME


def test_a_process_that_starts_again_with_its_old_id_takes_its_name_back(
    redis_server: EmbeddedRedis, client: redis.Redis, quick: None
) -> None:
    """As the first process of a container does."""
    client.set(KEY, ME)
    with Lease(redis_server.url, PART):
        assert client.get(KEY) == ME
        assert int(str(client.pttl(KEY))) > 0


def test_a_name_held_on_another_host_is_waited_for_until_it_expires(
    redis_server: EmbeddedRedis, client: redis.Redis, quick: None
) -> None:
    client.set(KEY, ELSEWHERE, px=200)
    with Lease(redis_server.url, PART):
        assert client.get(KEY) == ME


def test_a_name_held_on_another_host_that_does_not_expire_is_refused(
    redis_server: EmbeddedRedis, client: redis.Redis, quick: None
) -> None:
    client.set(KEY, ELSEWHERE)
    with (
        pytest.raises(
            StackError, match=r"^another consumer-1 .* \(another-host:99999999\): stop it"
        ),
        Lease(redis_server.url, PART),
    ):
        pytest.fail("both are at work")
    assert client.get(KEY) == ELSEWHERE


def test_a_name_that_another_has_taken_meanwhile_is_left_to_it(
    redis_server: EmbeddedRedis, client: redis.Redis
) -> None:
    """This process was held up for longer than its lease, such as by a laptop's sleep."""
    with Lease(redis_server.url, PART):
        client.set(KEY, ELSEWHERE)
    assert client.get(KEY) == ELSEWHERE


def test_without_redis_a_name_cannot_be_had(free_port: Callable[[], int]) -> None:
    with pytest.raises(RedisFailure, match=r"^Redis at redis://127\.0\.0\.1"):
        Lease(f"redis://127.0.0.1:{free_port()}", PART)


# Being alone, before a run starts.


def test_no_part_is_alive_where_there_is_none(client: redis.Redis) -> None:
    client.set("sim:leases", "not ours")
    assert live_processes(client) == {}
    wait_until_alone(client)


def test_parts_that_were_killed_are_not_waited_for(
    client: redis.Redis, hold: Callable[[str], Holder], quick: None
) -> None:
    for process in [hold("producer-0"), hold(PART)]:
        process.kill()
        process.wait()
    for part in ("producer-0", PART):
        assert client.persist(keys.lease(part))
    assert live_processes(client) == {}
    wait_until_alone(client)


def test_parts_of_other_hosts_are_waited_for_until_they_expire(
    client: redis.Redis, quick: None
) -> None:
    client.set(KEY, ELSEWHERE, px=200)
    assert live_processes(client) == {PART: ELSEWHERE}
    wait_until_alone(client)
    assert live_processes(client) == {}


def test_parts_that_stay_alive_are_named(
    client: redis.Redis, hold: Callable[[str], Holder], quick: None
) -> None:
    first = hold(PART)
    client.set("sim:lease:dataflow-0", ELSEWHERE)
    with pytest.raises(StackError) as caught:
        wait_until_alone(client)
    assert str(caught.value) == (
        f"a run is live on this Redis: {PART} ({owner(first)}), dataflow-0 ({ELSEWHERE}): "
        "stop it first"
    )
    assert caught.value.exit_code == 6


def test_a_part_that_ends_while_it_is_waited_for_leaves_the_run_alone(
    client: redis.Redis, hold: Callable[[str], Holder]
) -> None:
    first = hold(PART)
    assert first.stdin is not None
    first.stdin.close()
    wait_until_alone(client)
    assert first.wait(10.0) == 0


def test_a_part_that_stands_still_keeps_its_name_for_its_lease(
    client: redis.Redis, hold: Callable[[str], Holder]
) -> None:
    first = hold(PART)
    first.send_signal(signal.SIGSTOP)
    assert live_processes(client) == {PART: owner(first)}
