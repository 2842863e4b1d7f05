"""Leases: held by one live process at a time, released at its end, expired after a kill."""

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
from rushhour.runtime import lease as lease_module
from rushhour.runtime.lease import Lease, live_processes, wait_until_alone
from rushhour.simulator.stack.ports import free_ports
from rushhour.simulator.stack.redis_server import EmbeddedRedis
from tests.fixtures.waiting import wait_until

PROCESS = "consumer-1"
KEY = "sim:lease:consumer-1"
ME = f"{socket.gethostname()}:{os.getpid()}"
ELSEWHERE = "another-host:99999999"  # an id that no process of this host has
Holder = subprocess.Popen[bytes]
# Runs in another process, with the real duration of a lease; it ends when its stdin does.
HOLD = textwrap.dedent("""
    import sys
    from rushhour.runtime.lease import Lease

    with Lease(sys.argv[1], sys.argv[2]):
        sys.stdin.read()
""")


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Short leases in this process."""
    monkeypatch.setattr(lease_module, "LEASE_S", 0.4)
    monkeypatch.setattr(lease_module, "_RENEW_S", 0.1)
    monkeypatch.setattr(lease_module, "_POLL_S", 0.01)


@pytest.fixture
def hold(redis_server: EmbeddedRedis, client: redis.Redis) -> Iterator[Callable[[str], Holder]]:
    """A function that starts another process which holds a lease."""
    started: list[Holder] = []

    def start(name: str) -> Holder:
        command = [sys.executable, "-c", HOLD, redis_server.url, name]
        process = subprocess.Popen(command, stdin=subprocess.PIPE)
        started.append(process)
        wait_until(lambda: client.exists(keys.lease(name)), f"{name} is held")
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate()


def owner(process: Holder) -> str:
    return f"{socket.gethostname()}:{process.pid}"


def test_a_lease_names_its_owner_and_is_released(
    redis_server: EmbeddedRedis, client: redis.Redis
) -> None:
    with Lease(redis_server.url, PROCESS):
        assert client.get(KEY) == ME
        assert 0 < int(str(client.pttl(KEY))) <= lease_module.LEASE_S * 1000
    assert client.get(KEY) is None


def test_a_lease_is_released_after_an_error(
    redis_server: EmbeddedRedis, client: redis.Redis
) -> None:
    with pytest.raises(ZeroDivisionError), Lease(redis_server.url, PROCESS):
        _ = 1 // 0
    assert client.get(KEY) is None


def test_a_lease_is_renewed(redis_server: EmbeddedRedis, client: redis.Redis, quick: None) -> None:
    with Lease(redis_server.url, PROCESS):
        for _ in range(3):
            client.pexpire(KEY, 300)
            wait_until(lambda: int(str(client.pttl(KEY))) > 300, "the lease is renewed")
        assert client.get(KEY) == ME


def test_a_lease_that_redis_has_lost_is_written_again(
    redis_server: EmbeddedRedis, client: redis.Redis, quick: None
) -> None:
    with Lease(redis_server.url, PROCESS):
        client.delete(KEY)
        wait_until(lambda: client.get(KEY) == ME, "the lease is renewed")


def test_a_lease_that_another_process_holds_is_refused_with_its_owner(
    redis_server: EmbeddedRedis, client: redis.Redis, hold: Callable[[str], Holder], quick: None
) -> None:
    first = hold(PROCESS)

    with pytest.raises(StackError) as caught, Lease(redis_server.url, PROCESS):
        pytest.fail("both hold the lease")

    assert str(caught.value) == (
        f"another {PROCESS} is running on {redis_server.url} ({owner(first)}): stop it first"
    )
    assert caught.value.exit_code == 6
    assert client.get(KEY) == owner(first)


def test_leases_of_other_names_are_independent(
    redis_server: EmbeddedRedis, client: redis.Redis, hold: Callable[[str], Holder]
) -> None:
    others = {name: owner(hold(name)) for name in ("consumer-0", "dataflow-1")}
    with Lease(redis_server.url, PROCESS):
        assert client.get(KEY) == ME
    assert live_processes(client) == others


def test_the_lease_of_a_killed_process_of_this_host_is_free_at_once(
    redis_server: EmbeddedRedis, client: redis.Redis, hold: Callable[[str], Holder], quick: None
) -> None:
    first = hold(PROCESS)
    first.kill()
    first.wait()
    assert client.persist(KEY)  # so that it does not expire

    with Lease(redis_server.url, PROCESS):
        assert client.get(KEY) == ME


def test_a_restarted_process_with_the_same_id_gets_its_lease_back(
    redis_server: EmbeddedRedis, client: redis.Redis, quick: None
) -> None:
    """As the first process of a container does."""
    client.set(KEY, ME)
    with Lease(redis_server.url, PROCESS):
        assert client.get(KEY) == ME
        assert int(str(client.pttl(KEY))) > 0


def test_a_lease_of_another_host_is_waited_for_until_it_expires(
    redis_server: EmbeddedRedis, client: redis.Redis, quick: None
) -> None:
    client.set(KEY, ELSEWHERE, px=200)
    with Lease(redis_server.url, PROCESS):
        assert client.get(KEY) == ME


def test_a_lease_of_another_host_that_does_not_expire_is_refused(
    redis_server: EmbeddedRedis, client: redis.Redis, quick: None
) -> None:
    client.set(KEY, ELSEWHERE)
    with (
        pytest.raises(
            StackError, match=r"^another consumer-1 .* \(another-host:99999999\): stop it"
        ),
        Lease(redis_server.url, PROCESS),
    ):
        pytest.fail("both hold the lease")
    assert client.get(KEY) == ELSEWHERE


def test_a_lease_that_another_process_has_acquired_meanwhile_is_not_deleted(
    redis_server: EmbeddedRedis, client: redis.Redis
) -> None:
    """As after a suspend of this machine that was longer than the lease."""
    with Lease(redis_server.url, PROCESS):
        client.set(KEY, ELSEWHERE)
    assert client.get(KEY) == ELSEWHERE


def test_without_redis_no_lease_can_be_acquired() -> None:
    with pytest.raises(RedisFailure, match=r"^Redis at redis://127\.0\.0\.1"):
        Lease(f"redis://127.0.0.1:{free_ports(1)[0]}", PROCESS)


# No live process, before a run starts.


def test_without_leases_no_process_is_alive(client: redis.Redis) -> None:
    client.set("sim:leases", "not ours")
    assert live_processes(client) == {}
    wait_until_alone(client)


def test_killed_processes_of_this_host_are_not_waited_for(
    client: redis.Redis, hold: Callable[[str], Holder], quick: None
) -> None:
    for process in [hold("producer-0"), hold(PROCESS)]:
        process.kill()
        process.wait()
    for name in ("producer-0", PROCESS):
        assert client.persist(keys.lease(name))
    assert live_processes(client) == {}
    wait_until_alone(client)


def test_leases_of_other_hosts_are_waited_for_until_they_expire(
    client: redis.Redis, quick: None
) -> None:
    client.set(KEY, ELSEWHERE, px=200)
    assert live_processes(client) == {PROCESS: ELSEWHERE}
    wait_until_alone(client)
    assert live_processes(client) == {}


def test_processes_that_stay_alive_are_named(
    client: redis.Redis, hold: Callable[[str], Holder], quick: None
) -> None:
    first = hold(PROCESS)
    client.set("sim:lease:dataflow-0", ELSEWHERE)
    with pytest.raises(StackError) as caught:
        wait_until_alone(client)
    assert str(caught.value) == (
        f"a run is live on this Redis: {PROCESS} ({owner(first)}), dataflow-0 ({ELSEWHERE}): "
        "stop it first"
    )
    assert caught.value.exit_code == 6


def test_a_process_may_end_while_it_is_waited_for(
    client: redis.Redis, hold: Callable[[str], Holder]
) -> None:
    first = hold(PROCESS)
    assert first.stdin is not None
    first.stdin.close()
    wait_until_alone(client)
    assert first.wait(10.0) == 0


def test_a_stopped_process_keeps_its_lease_until_it_expires(
    client: redis.Redis, hold: Callable[[str], Holder]
) -> None:
    first = hold(PROCESS)
    first.send_signal(signal.SIGSTOP)
    assert live_processes(client) == {PROCESS: owner(first)}
