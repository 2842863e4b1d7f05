"""What a process makes of the statistics and the errors of its Kafka clients."""

import json
import logging
import math
import time

import confluent_kafka as ck
import pytest

from rushhour.core.errors import KafkaFailure
from rushhour.core.kafka_cluster import KafkaCluster
from rushhour.runtime.kafka import producer_config
from rushhour.runtime.kafka_watch import KAFKA_UP, KafkaWatch, WatchedConsumer
from rushhour.runtime.monitor import Health
from rushhour.runtime.profile import traffic

CLUSTER = KafkaCluster("kafka:9092", {"sasl.password": "secret"})


def statistics(state: str | None, age_s: float) -> str:
    """What a client says about its only broker, if any; the group coordinator is always up."""
    brokers = {
        "kafka:9092/1": {"nodeid": 1, "source": "learned", "state": state, "stateage": 1},
        "GroupCoordinator": {"nodeid": 1, "source": "logical", "state": "UP", "stateage": 1},
    }
    if state is None:
        del brokers["kafka:9092/1"]
    text = json.dumps({"time": int(time.time() - age_s), "brokers": brokers})
    return text.replace('": ', '":')  # as the library writes it


class Client:
    """A client whose callbacks the test calls."""

    def __init__(self, health: Health) -> None:
        self.watch = KafkaWatch(CLUSTER, health)
        self._callbacks = self.watch.callbacks()

    def says(self, *states: str | None, age_s: float = 0.0) -> None:
        for state in states:
            self._callbacks["stats_cb"](statistics(state, age_s))

    def fails(self, code: int, reason: str, *, fatal: bool = False) -> None:
        self._callbacks["error_cb"](ck.KafkaError(code, reason, fatal))


def up() -> float:
    return float(KAFKA_UP._value.get())


def test_a_lost_kafka_is_logged_once_and_its_return_too(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    health = Health()
    client = Client(health)
    assert (up(), health.missing()) == (0.0, ["kafka"])  # not connected yet
    client.says("UP")
    assert (up(), health.missing(), caplog.messages) == (1.0, [], [])

    client.fails(ck.KafkaError._TRANSPORT, "kafka:9092/1: connection refused")
    client.fails(ck.KafkaError._ALL_BROKERS_DOWN, "1/1 brokers are down")
    client.says("CONNECT", "DOWN", "APIVERSION_QUERY", "DOWN", "DOWN")
    assert (up(), health.missing()) == (0.0, ["kafka"])
    assert caplog.messages == [
        "Kafka at kafka:9092 does not answer, waiting for it: kafka:9092/1: connection refused"
    ]

    client.says("UP", "UP")
    assert (up(), health.missing(), len(caplog.messages)) == (1.0, [], 2)
    assert caplog.messages[1].startswith("Kafka at kafka:9092 is back after ")


def test_a_connection_that_is_opened_anew_is_no_outage(caplog: pytest.LogCaptureFixture) -> None:
    health = Health()
    client = Client(health)
    for _ in range(5):
        client.says("UP", "DOWN", "CONNECT")
        assert (up(), health.missing()) == (1.0, [])
    assert caplog.messages == []


def test_what_a_client_said_long_ago_does_not_count() -> None:
    """As after the process has waited for something else, and then polls the client again."""
    client = Client(Health())
    client.says("UP")
    client.says("DOWN", "DOWN", "DOWN", "DOWN", age_s=10.0)
    assert up() == 1.0


def test_kafka_is_up_when_it_answers_every_client(caplog: pytest.LogCaptureFixture) -> None:
    health = Health()
    first, second = Client(health), Client(health)
    first.says("UP")
    second.says("UP")
    second.says("DOWN", "DOWN", "DOWN")
    first.says("UP")
    assert (up(), health.missing()) == (0.0, ["kafka"])
    first.says("DOWN", "DOWN", "DOWN", "UP")
    assert up() == 0.0
    second.says("UP")
    assert (up(), health.missing(), len(caplog.messages)) == (1.0, [], 2)


def test_a_client_that_was_closed_does_not_count() -> None:
    health = Health()
    first, second = Client(health), Client(health)
    second.says("UP", "DOWN", "DOWN", "DOWN")
    del second
    first.says("UP")
    assert (up(), health.missing()) == (1.0, [])


def test_a_fatal_error_is_kept() -> None:
    client = Client(Health())
    client.fails(ck.KafkaError._TRANSPORT, "connection refused")
    assert client.watch.failure is None
    client.fails(ck.KafkaError.OUT_OF_ORDER_SEQUENCE_NUMBER, "lost a message", fatal=True)
    assert client.watch.failure == "Kafka at kafka:9092: lost a message"


def test_a_client_that_has_forgotten_every_broker_can_do_nothing_any_more() -> None:
    """An outage never ends for it, as librdkafka asks no configured broker again."""
    client = Client(Health())
    client.says("UP", *[None] * 4, "DOWN", *[None] * 4)
    client.watch.raise_failure()
    client.says(None)
    with pytest.raises(KafkaFailure, match="forgotten every broker"):
        client.watch.raise_failure()


def test_a_consumer_that_can_do_nothing_any_more_says_so() -> None:
    watch = KafkaWatch(KafkaCluster("127.0.0.1:1"), Health())
    consumer = WatchedConsumer({"group.id": "g", "log_level": 0}, watch)
    assert consumer.wait_and_take(0.0, 1) == []
    watch.failure = "Kafka at 127.0.0.1:1: lost"
    with pytest.raises(KafkaFailure, match="lost"):
        consumer.wait_and_take(0.0, 1)
    consumer.close()


def test_the_lag_is_unknown_while_kafka_does_not_answer() -> None:
    watch = KafkaWatch(KafkaCluster("127.0.0.1:1"), Health())
    consumer = WatchedConsumer({"group.id": "g", "log_level": 0}, watch)
    watch.connected = False
    assert math.isnan(consumer.lag("trips", 0, 0))
    consumer.close()


def test_a_message_never_expires() -> None:
    assert producer_config(CLUSTER)["message.timeout.ms"] == 0


def test_a_profile_asks_for_statistics_more_often_and_an_outage_lasts_as_long(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(traffic, "is_wanted", True)
    client = Client(Health())
    interval_ms = client.watch.callbacks()["statistics.interval.ms"]
    assert interval_ms < 1000
    client.says("UP", *["DOWN"] * (3000 // interval_ms - 1))
    assert up() == 1.0
    client.says("DOWN")
    assert up() == 0.0
