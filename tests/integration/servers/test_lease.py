"""Leases: held by one live process at a time, released at its end, expired after a kill."""

import os
import signal
import socket
from collections.abc import Callable

import pytest
import redis

from rushhour.core import keys
from rushhour.core.errors import RedisFailure, StackError
from rushhour.runtime import lease as lease_module
from rushhour.runtime.lease import live_processes, wait_until_alone
from rushhour.simulator.stack.ports import free_ports
from rushhour.simulator.stack.redis_server import EmbeddedRedis
from tests.fixtures.leases import (
    ELSEWHERE,
    KEY,
    ME,
    PROCESS,
    Holder,
    held_by_me,
    lease_at,
    lease_of,
    owner,
)
from tests.fixtures.waiting import wait_until


def test_a_lease_names_its_owner_and_is_released(
    redis_server: EmbeddedRedis, client: redis.Redis
) -> None:
    with lease_of(redis_server):
        assert held_by_me(client)
        assert 0 < int(str(client.pttl(KEY))) <= lease_module.LEASE_S * 1000
    assert client.get(KEY) is None


def test_a_lease_is_released_after_an_error(
    redis_server: EmbeddedRedis, client: redis.Redis
) -> None:
    with pytest.raises(ZeroDivisionError), lease_of(redis_server):
        _ = 1 // 0
    assert client.get(KEY) is None


def test_a_lease_is_renewed(redis_server: EmbeddedRedis, client: redis.Redis, quick: None) -> None:
    with lease_of(redis_server):
        for _ in range(3):
            client.pexpire(KEY, 300)
            wait_until(lambda: int(str(client.pttl(KEY))) > 300, "the lease is renewed")
        assert held_by_me(client)


def test_a_lease_that_redis_has_lost_is_written_again(
    redis_server: EmbeddedRedis, client: redis.Redis, quick: None
) -> None:
    with lease_of(redis_server):
        client.delete(KEY)
        wait_until(lambda: held_by_me(client), "the lease is renewed")


def test_a_lease_that_another_process_holds_is_refused_with_its_owner(
    redis_server: EmbeddedRedis, client: redis.Redis, hold: Callable[[str], Holder], quick: None
) -> None:
    first = hold(PROCESS)

    with pytest.raises(StackError) as caught, lease_of(redis_server):
        pytest.fail("both hold the lease")

    assert str(caught.value) == (
        f"another {PROCESS} is running on {redis_server.url} ({owner(first)}): stop it first"
    )
    assert caught.value.exit_code == 6
    assert str(client.get(KEY)).startswith(f"{owner(first)}:")


def test_leases_of_other_names_are_independent(
    redis_server: EmbeddedRedis, client: redis.Redis, hold: Callable[[str], Holder]
) -> None:
    others = {name: owner(hold(name)) for name in ("consumer-0", "dataflow-1")}
    with lease_of(redis_server):
        assert held_by_me(client)
    assert live_processes(client) == others


def test_the_lease_of_a_killed_process_of_this_host_is_free_at_once(
    redis_server: EmbeddedRedis, client: redis.Redis, hold: Callable[[str], Holder], quick: None
) -> None:
    first = hold(PROCESS)
    first.kill()
    first.wait()
    assert client.persist(KEY)  # so that it does not expire

    with lease_of(redis_server):
        assert held_by_me(client)


def test_a_process_with_the_id_of_its_predecessor_gets_its_lease_at_once(
    redis_server: EmbeddedRedis, client: redis.Redis, quick: None
) -> None:
    """As the first process of a restarted container may."""
    client.set(KEY, f"{ME}{lease_module._machine()}-0123456789ab")
    with lease_of(redis_server):
        assert held_by_me(client)
        assert int(str(client.pttl(KEY))) > 0


def test_a_process_of_the_same_host_name_and_id_elsewhere_is_not_taken_for_dead(
    redis_server: EmbeddedRedis, client: redis.Redis, quick: None
) -> None:
    """As the pod of a StatefulSet that was replaced, and lives on behind a broken network."""
    for pid in (os.getpid(), 2**22 + 1):  # no process here has the second one
        owner = f"{socket.gethostname()}:{pid}:01234567-0123456789ab"
        client.set(KEY, owner)
        assert live_processes(client) == {PROCESS: owner.rpartition(":")[0]}
        with pytest.raises(StackError), lease_of(redis_server):
            pytest.fail("both hold the lease")
        client.pexpire(KEY, 200)
        with lease_of(redis_server):
            assert held_by_me(client)


def test_a_lease_that_another_takes_from_the_dead_meanwhile_stays_with_it(
    redis_server: EmbeddedRedis,
    client: redis.Redis,
    quick: None,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The other one comes between the look at the owner and the attempt to take its place."""
    dead = f"{ME}{lease_module._machine()}-0123456789ab"
    is_dead = lease_module._is_dead

    def late(owner: str) -> bool:
        found = is_dead(owner)
        if owner == dead:
            client.set(KEY, ELSEWHERE)
        return found

    client.set(KEY, dead)
    monkeypatch.setattr(lease_module, "_is_dead", late)
    with pytest.raises(StackError, match="stop it first"), lease_of(redis_server):
        pytest.fail("both hold the lease")
    assert client.get(KEY) == ELSEWHERE


@pytest.mark.parametrize("owner", ["text", "a:b", "a:b:c", "::", "h:99999999999999999999:x"])
def test_a_foreign_owner_is_not_taken_for_dead(
    redis_server: EmbeddedRedis, client: redis.Redis, quick: None, owner: str
) -> None:
    client.set(KEY, owner)
    with pytest.raises(StackError, match="stop it first"), lease_of(redis_server):
        pytest.fail("the lease is another's")


def test_a_lease_of_another_host_is_waited_for_until_it_expires(
    redis_server: EmbeddedRedis, client: redis.Redis, quick: None
) -> None:
    client.set(KEY, ELSEWHERE, px=200)
    with lease_of(redis_server):
        assert held_by_me(client)


def test_a_lease_of_another_host_that_does_not_expire_is_refused(
    redis_server: EmbeddedRedis, client: redis.Redis, quick: None
) -> None:
    client.set(KEY, ELSEWHERE)
    with (
        pytest.raises(
            StackError, match=r"^another consumer-1 .* \(another-host:99999999\): stop it"
        ),
        lease_of(redis_server),
    ):
        pytest.fail("both hold the lease")
    assert client.get(KEY) == ELSEWHERE


def test_without_redis_no_lease_can_be_acquired() -> None:
    with pytest.raises(RedisFailure, match=r"^Redis at redis://127\.0\.0\.1"):
        lease_at(f"redis://127.0.0.1:{free_ports(1)[0]}")


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
