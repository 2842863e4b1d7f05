"""Kafka that is away, has lost its data, or is shared."""

from tests.chaos.scenarios import LAST_TICK, Disturb, at, is_equal, stopped_with
from tests.chaos.schedule import Step


def test_nothing_is_lost_while_a_broker_is_frozen_for_longer_than_clients_wait(
    disturb: Disturb,
) -> None:
    triggers = [
        at("producer", "producer.tick", 0),
        at("dataflow", "dataflow.hour"),
        at("producer", "producer.tick", LAST_TICK),
    ]
    assert is_equal(disturb(*(Step(trigger, "kafka.frozen") for trigger in triggers)))


def test_a_broker_that_has_lost_its_data_stops_the_run(disturb: Disturb) -> None:
    report = disturb(Step(at("consumer", "consumer.closed"), "kafka.lost"))
    assert stopped_with(report) == 4


def test_two_runs_on_one_kafka_are_both_right(disturb: Disturb) -> None:
    assert is_equal(disturb(Step(at("consumer", "consumer.closed", 3), "second-run")))
