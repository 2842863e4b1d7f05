"""The producer of every process: batches of messages that wait for Kafka as long as it takes."""

from collections.abc import Iterable
from contextlib import suppress
from typing import Any

import confluent_kafka as ck

from rushhour.core.errors import KafkaFailure
from rushhour.core.kafka_cluster import KafkaCluster
from rushhour.core.topics import Message
from rushhour.runtime.kafka import kafka_failures, message_position, producer_config
from rushhour.runtime.kafka_watch import KafkaWatch
from rushhour.runtime.monitor import Health
from rushhour.runtime.profile import traffic
from rushhour.runtime.waiting import Waiting

_QUEUE_FULL_WAIT_S = 0.01
_FLUSH_WAIT_S = 1.0
_WAITING = Waiting("kafka")


class BatchProducer:
    """Sends batches of messages; a message waits for Kafka as long as it takes.

    A failed delivery raises on the next call. While the process waits for something else, the
    heartbeats of `health` poll the producer, so that a failure is heard of.

    Raises
    ------
    KafkaFailure
        If Kafka cannot be reached with these settings at all.
    """

    def __init__(self, cluster: KafkaCluster, health: Health | None = None) -> None:
        self._cluster = cluster
        self._health = health or Health()
        self._watch = KafkaWatch(cluster, self._health)
        config = producer_config(cluster) | self._watch.callbacks()
        config["on_delivery"] = _DeliveryReports(self._watch)
        with kafka_failures(cluster):
            self._producer = ck.Producer(config)
        self._health.poll_with_beats(self)

    def send(self, topic: str, partition: int, messages: Iterable[Message]) -> None:
        """Queue messages for one partition, in order.

        Blocks while the queue of the client is full.

        Raises
        ------
        KafkaFailure
            If Kafka has no such partition, a message is refused, or an earlier one could not be
            delivered.
        """
        name, produce = self._cluster.topic(topic), self._producer.produce
        if traffic.is_wanted:
            messages = list(messages)
            traffic.count(sent=len(messages))
        try:
            # One call each takes less time than `produce_batch`, which looks up names in a dict.
            for key, value in messages:
                try:
                    produce(name, value, key, partition)
                except BufferError:
                    self._produce_when_room(name, value, key, partition)
        except ck.KafkaException as failure:
            raise KafkaFailure(
                f"Kafka at {self._cluster}: topic '{name}' partition {partition}: "
                f"{failure.args[0].str()}"
            ) from failure
        self._poll(0.0)

    def poll(self) -> None:
        """Hear of deliveries and of the state of Kafka, without waiting.

        Raises
        ------
        KafkaFailure
            If a message could not be delivered.
        """
        self._poll(0.0)

    def flush(self) -> None:
        """Wait until every queued message is on the broker, as long as it takes.

        Raises
        ------
        KafkaFailure
            If a message could not be delivered.
        """
        waiting = True
        while waiting:
            with kafka_failures(self._cluster), _WAITING:
                waiting = self._producer.flush(_FLUSH_WAIT_S) > 0
            self._watch.raise_failure()
            if waiting:
                self._health.beat()

    def _produce_when_room(self, *message: Any) -> None:
        while True:
            with _WAITING:
                self._poll(_QUEUE_FULL_WAIT_S)
            self._health.beat()
            with suppress(BufferError):
                self._producer.produce(*message)
                return

    def _poll(self, seconds: float) -> None:
        with kafka_failures(self._cluster):
            self._producer.poll(seconds)
        self._watch.raise_failure()


class _DeliveryReports:
    """Hears of failed deliveries. Does not know the producer: it ends with its last reference."""

    def __init__(self, watch: KafkaWatch) -> None:
        self._watch = watch

    def __call__(self, error: ck.KafkaError | None, message: ck.Message) -> None:
        if error is not None:
            self._watch.failure = f"{message_position(message)}: not delivered: {error.str()}"
