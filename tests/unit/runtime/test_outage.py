"""Which failures of Redis a process waits out, and what it does in between."""

import logging
import time
from collections.abc import Callable, Iterator
from typing import cast

import pytest
import redis

from rushhour.core.errors import RedisFailure, StackError
from rushhour.runtime import process
from rushhour.runtime.fence import StaleState
from rushhour.runtime.lease import Lease
from rushhour.runtime.monitor import Health
from rushhour.runtime.outage import REDIS_UP, RedisState, is_outage
from rushhour.runtime.redis_client import redis_failures

URL = "redis://:secret@host:1"

PASSING = [
    redis.ConnectionError("Error 111 connecting to host:1. Connection refused."),
    redis.TimeoutError("Timeout reading from socket"),
    redis.BusyLoadingError("Redis is loading the dataset in memory"),
    redis.ReadOnlyError("You can't write against a read only replica."),
    redis.OutOfMemoryError("command not allowed when used memory > 'maxmemory'."),
    redis.exceptions.ExecAbortError("Transaction discarded because of: OOM command not allowed"),
    redis.ResponseError("MISCONF Redis is configured to save RDB snapshots"),
    redis.ResponseError("Command # 1 (SET a b) of pipeline caused error: MISCONF Errors writing"),
    redis.ResponseError("UNBLOCKED force unblock from blocking operation"),
    redis.ResponseError("NOREPLICAS Not enough good replicas to write."),
    redis.ResponseError("Error running script: @user_script:3: -READONLY You can't write"),
]
LASTING = [
    redis.AuthenticationError("invalid username-password pair or user is disabled."),
    redis.ResponseError("WRONGTYPE Operation against a key holding the wrong kind of value"),
    redis.exceptions.NoPermissionError("this user has no permissions"),
    redis.ResponseError("unknown command 'EVALSHA'"),
    redis.DataError("Invalid input of type"),
    redis.WatchError("Watched variable changed."),
]


@pytest.mark.parametrize("error", PASSING, ids=str)
def test_what_passes_is_waited_for(error: redis.RedisError) -> None:
    assert is_outage(error)


@pytest.mark.parametrize("error", LASTING, ids=str)
def test_what_lasts_is_not(error: redis.RedisError) -> None:
    assert not is_outage(error)


def test_the_state_is_logged_at_its_changes_without_the_password(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO)
    health = Health()
    state = RedisState(URL, health)
    assert health.missing() == ["redis"]
    state.back()
    assert (health.missing(), caplog.messages) == ([], [])
    for _ in range(2):
        state.lost(redis.ConnectionError("refused"))
    assert health.missing() == ["redis"]
    assert up() == 0
    for _ in range(2):
        state.back()
    assert health.missing() == []
    assert up() == 1
    assert caplog.messages == [
        "Redis at redis://:***@host:1 is lost, waiting for it: refused",
        "Redis at redis://:***@host:1 is back after 0.0 s",
    ]


def up() -> float:
    (metric,) = REDIS_UP.collect()
    return metric.samples[0].value


class Renewals:
    """A lease whose renewals fail as a script says, and succeed after that."""

    def __init__(self, *errors: Exception) -> None:
        self.errors = list(errors)
        self.count = 0

    def renew(self) -> None:
        self.count += 1
        if self.errors:
            raise self.errors.pop(0)


@pytest.fixture(autouse=True)
def pauses(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[float]]:
    """The pauses between attempts, which take no time."""
    made: list[float] = []
    monkeypatch.setattr(time, "sleep", made.append)
    yield made


def run(main: Callable[[], None], lease: Renewals) -> Health:
    health = Health()
    state = RedisState(URL, health)
    process._run_through_outages(main, cast(Lease, lease), state, health)
    return health


def script(*errors: Exception) -> tuple[Callable[[], None], list[int]]:
    """Return a process that fails in these ways, one after another, before it is done."""
    calls: list[int] = []

    def main() -> None:
        calls.append(len(calls))
        if len(calls) <= len(errors):
            with redis_failures(URL):
                raise errors[len(calls) - 1]

    return main, calls


def test_after_an_outage_the_process_begins_anew(pauses: list[float]) -> None:
    main, calls = script(redis.ConnectionError("reset"), redis.ReadOnlyError("replica"))
    lease = Renewals(*[redis.ConnectionError("refused")] * 9)
    health = run(main, lease)
    assert len(calls) == 3
    assert lease.count == 11
    assert pauses[:7] == [0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 5.0]
    assert max(pauses) == 5.0
    assert health.missing() == []
    assert health.is_alive()


def test_a_failure_that_lasts_ends_the_process_at_once() -> None:
    for error in LASTING[:2]:
        main, calls = script(error)
        lease = Renewals()
        with pytest.raises(RedisFailure):
            run(main, lease)
        assert (len(calls), lease.count) == (1, 0)


def test_a_lease_that_is_lost_in_an_outage_ends_the_process() -> None:
    main, calls = script(redis.ConnectionError("reset"))
    lease = Renewals(redis.ConnectionError("refused"), StackError("another has taken over"))
    with pytest.raises(StackError):
        run(main, lease)
    assert len(calls) == 1


def test_a_redis_that_went_back_in_time_is_resumed_but_not_for_ever() -> None:
    main, calls = script(*[StaleState("went back")] * 3)
    run(main, Renewals())
    assert len(calls) == 4
    main, calls = script(*[StaleState("went back")] * 4)
    with pytest.raises(StaleState):
        run(main, Renewals())
    assert len(calls) == 4
