import weakref

import pytest

from rushhour.core.errors import KafkaFailure
from rushhour.runtime.monitor import Health


class Wall:
    """A wall clock that is set by the test."""

    now = 1_000.0

    def __call__(self) -> float:
        return self.now


def test_a_process_is_alive_for_a_minute_after_a_heartbeat() -> None:
    wall = Wall()
    health = Health(wall)
    for _ in range(3):
        health.beat()
        wall.now += 59.9
        assert health.is_alive()
    wall.now += 0.1
    assert not health.is_alive()


def test_a_stuck_process_is_alive_again_after_a_heartbeat() -> None:
    wall = Wall()
    health = Health(wall)
    health.beat()
    wall.now += 3_600.0
    assert not health.is_alive()
    health.beat()
    assert health.is_alive()


def test_a_process_is_alive_before_its_first_heartbeat() -> None:
    wall = Wall()
    health = Health(wall)
    wall.now += 1e9
    assert health.is_alive()


def test_a_process_that_is_done_needs_no_heartbeat() -> None:
    wall = Wall()
    health = Health(wall)
    health.beat()
    health.done()
    wall.now += 1e9
    assert health.is_alive()


def test_a_process_is_ready_while_it_has_all_that_it_needs() -> None:
    health = Health()
    assert health.missing() == []
    health.set("redis", up=True)
    health.set("kafka", up=False)
    assert health.missing() == ["kafka"]
    health.set("kafka", up=True)
    health.set("redis", up=False)
    assert health.missing() == ["redis"]


class Polls:
    """Counts its polls."""

    count = 0

    def poll(self) -> None:
        self.count += 1


def test_heartbeats_poll_ten_times_a_second_at_most() -> None:
    wall = Wall()
    health = Health(wall)
    polls = Polls()
    health.poll_with_beats(polls)
    for _ in range(100):
        health.beat()
        wall.now += 0.01
    assert polls.count == 10


def test_a_heartbeat_raises_what_a_poll_raises() -> None:
    class Broken(Polls):
        def poll(self) -> None:
            raise KafkaFailure("not delivered")

    health = Health()
    broken = Broken()
    health.poll_with_beats(broken)
    with pytest.raises(KafkaFailure, match="not delivered"):
        health.beat()


def test_what_was_dropped_is_not_polled() -> None:
    health = Health()
    polls = Polls()
    health.poll_with_beats(polls)
    seen = weakref.ref(polls)
    del polls
    health.beat()
    assert seen() is None


def test_a_process_starts_until_its_first_heartbeat_and_needs_nothing_when_it_is_done() -> None:
    health = Health()
    assert health.is_starting()
    health.beat()
    assert not health.is_starting()
    health.set("kafka", up=False)
    health.done()
    assert (health.missing(), health.is_starting()) == ([], False)
