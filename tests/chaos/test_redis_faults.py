"""Redis that is away, goes back in time, or comes back empty."""

import pytest

from tests.chaos.scenarios import (
    MIDDLE,
    Disturb,
    at,
    is_equal,
    nothing_was_restarted,
    stopped_with,
)
from tests.chaos.schedule import Step, Trigger

pytestmark = pytest.mark.nightly


@pytest.mark.parametrize(
    "trigger",
    [
        at("producer", "producer.tick", MIDDLE, 0),  # while the consumer is idle
        at("consumer", "consumer.transaction"),
        at("consumer", "consumer.city"),
    ],
    ids=str,
)
def test_a_redis_that_goes_back_in_time_loses_no_hour(disturb: Disturb, trigger: Trigger) -> None:
    assert is_equal(disturb(Step(trigger, "redis.older"), consumers=2))


def test_a_redis_that_comes_back_empty_stops_the_run(disturb: Disturb) -> None:
    report = disturb(Step(at("producer", "producer.tick", MIDDLE, 0), "redis.empty"))
    assert stopped_with(report) == 5


@pytest.mark.parametrize(
    "fault", ["redis.down", "redis.frozen", "redis.read-only", "redis.out-of-memory"]
)
def test_a_redis_that_is_away_for_a_while_is_waited_for(disturb: Disturb, fault: str) -> None:
    report = disturb(Step(at("consumer", "consumer.transaction"), fault))
    assert is_equal(report)
    assert nothing_was_restarted(report)


def test_an_hour_that_the_run_has_not_closed_stops_it(disturb: Disturb) -> None:
    report = disturb(Step(at("consumer", "consumer.closed"), "poison.city"))
    assert stopped_with(report) == 5
