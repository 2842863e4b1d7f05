"""A lease that is lost: it is reported, and never taken from the process that holds it now."""

import signal
import threading
import time
from collections.abc import Callable
from contextlib import suppress

import pytest
import redis

from rushhour.core import keys
from rushhour.core.errors import RushhourError, StackError
from rushhour.runtime.lease import Lease
from rushhour.runtime.monitor import Health
from rushhour.runtime.outage import RedisState
from rushhour.simulator.stack.redis_server import EmbeddedRedis
from tests.fixtures.leases import ELSEWHERE, EPOCH, KEY, PROCESS, Holder, lease_of
from tests.fixtures.waiting import wait_until


class Lost:
    """What a lease reports when it is lost."""

    def __init__(self) -> None:
        self.errors: list[RushhourError] = []

    def __call__(self, error: RushhourError) -> None:
        self.errors.append(error)

    def wait(self) -> RushhourError:
        wait_until(lambda: self.errors, "the lease is lost")
        return self.errors[0]


@pytest.fixture
def lost() -> Lost:
    return Lost()


@pytest.fixture
def watched(redis_server: EmbeddedRedis, client: redis.Redis, lost: Lost, quick: None) -> Lease:
    """A lease of the run `a` that may be lost."""
    client.hset(keys.RUN, "run_id", "a")
    state = RedisState(redis_server.url, Health())
    return Lease(redis_server.url, PROCESS, state, lost)


def test_a_frozen_holder_loses_its_lease_and_does_not_take_it_back(
    redis_server: EmbeddedRedis, client: redis.Redis, hold: Callable[[str], Holder], quick: None
) -> None:
    first = hold(PROCESS)
    first.send_signal(signal.SIGSTOP)
    client.pexpire(KEY, 1)  # as after five seconds
    with lease_of(redis_server) as fence:
        first.send_signal(signal.SIGCONT)
        assert first.wait(10.0) == 6
        assert client.get(KEY) == fence.owner
        assert client.get(EPOCH) == str(fence.epoch)


def test_a_lost_lease_is_reported_and_not_released(
    client: redis.Redis, watched: Lease, lost: Lost
) -> None:
    with watched:
        client.set(KEY, ELSEWHERE)
        error = lost.wait()
    assert (str(error), error.exit_code) == (
        "another consumer-1 has taken over: this one ends",
        6,
    )
    assert client.get(KEY) == ELSEWHERE


def test_a_lease_that_another_process_has_held_meanwhile_is_lost(
    client: redis.Redis, watched: Lease, lost: Lost
) -> None:
    with watched as fence:
        client.set(EPOCH, fence.epoch + 1)
        client.delete(KEY)
        assert "has taken over" in str(lost.wait())
    assert client.get(KEY) is None


@pytest.mark.parametrize(
    ("run_id", "message"),
    [
        ("b", "this Redis holds run b now instead of a: restart this process"),
        (None, "this Redis has lost run a: restore its data, or start a new run with "),
    ],
)
def test_a_run_that_redis_no_longer_holds_is_reported(
    client: redis.Redis, watched: Lease, lost: Lost, run_id: str | None, message: str
) -> None:
    with watched:
        client.flushall()
        if run_id is not None:
            client.hset(keys.RUN, "run_id", run_id)
        error = lost.wait()
    assert str(error).startswith(message)
    assert error.exit_code == 5
    assert client.get(KEY) is None


def test_a_redis_that_has_forgotten_the_lease_gets_it_again(
    client: redis.Redis, watched: Lease, lost: Lost
) -> None:
    with watched as fence:
        for epoch in (None, "7", "text"):
            client.delete(KEY, EPOCH)
            if epoch is not None:
                client.set(EPOCH, epoch)
            wait_until(lambda: client.get(KEY) == fence.owner, "the lease is written again")
            assert client.get(EPOCH) == str(fence.epoch)
    assert lost.errors == []


def test_epochs_rise_with_each_holder_and_after_redis_has_lost_the_last_one(
    redis_server: EmbeddedRedis, client: redis.Redis
) -> None:
    epochs = []
    for _ in range(2):
        with lease_of(redis_server) as fence:
            epochs.append(fence.epoch)
    client.delete(EPOCH)
    with lease_of(redis_server) as fence:
        epochs.append(fence.epoch)
    client.set(EPOCH, 10**15)  # a clock that was ahead
    with lease_of(redis_server) as fence:
        epochs.append(fence.epoch)
    assert epochs == sorted(set(epochs))


def test_of_many_that_want_a_lease_one_gets_it(
    redis_server: EmbeddedRedis, client: redis.Redis, hold: Callable[[str], Holder], quick: None
) -> None:
    """Also where all of them find a dead owner at once."""
    dead = hold(PROCESS)
    dead.kill()
    dead.wait()
    held: list[str] = []

    def take() -> None:
        with suppress(StackError), lease_of(redis_server) as fence:
            held.append(fence.owner)
            time.sleep(1.5)  # longer than the others wait

    threads = [threading.Thread(target=take) for _ in range(8)]
    assert client.persist(KEY)
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(held) == 1
