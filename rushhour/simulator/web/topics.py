"""The topics of a run on its Kafka: what each partition holds, and how far its reader is.

The one part of the pages that reads Kafka.
"""

import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from contextlib import closing
from typing import Any

import confluent_kafka as ck
import redis

from rushhour.core import keys
from rushhour.core.kafka_cluster import KafkaCluster
from rushhour.core.topics import (
    ALERTS,
    DEAD_LETTERS,
    HOURLY_RIDES,
    PREDICTIONS,
    SUBMISSIONS,
    TOPICS,
    TRIPS,
)
from rushhour.runtime.dead_letters import DeadLetter
from rushhour.runtime.kafka import consumer_config, kafka_failures
from rushhour.runtime.kafka_topics import offset_ranges
from rushhour.runtime.redis_client import read_hash
from rushhour.simulator.web.reading.figures import execute
from rushhour.storage.runs import load_run

LAST = 50  # messages of a partition that are shown
_MAX_CHARS = 2_000  # of a key or a value that is shown
_READ_S = 5.0
_AT_ONCE = 500
_FRESH_S = 1.0  # several pages that ask within this time get the same answer


# Who reads a topic, and whether Redis holds how far it is (`sim:offsets`).
READERS = {
    TRIPS: ("dataflow", False),
    HOURLY_RIDES: ("consumer", True),
    PREDICTIONS: ("consumer", True),
    ALERTS: ("consumer", True),
    SUBMISSIONS: ("consumer", True),
    DEAD_LETTERS: ("rushhour dead-letters", False),
}


class Topics:
    """Reads the topics of a cluster for the pages; one read at a time, shared by all of them."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._kept: dict[Any, tuple[float, Any]] = {}

    def overview(self, cluster: KafkaCluster, client: redis.Redis) -> dict[str, Any]:
        """Return each topic with its partitions: offsets held, how far its reader is, and the lag.

        Raises
        ------
        KafkaFailure
            If Kafka does not answer.
        """
        ranges = self._shared((cluster.bootstrap, ""), lambda: offset_ranges(cluster, TOPICS))
        read = read_hash(client, keys.OFFSETS)
        if not client.exists(keys.SUBMISSIONS):  # how far it is read is noted with the first one
            read = {field: at for field, at in read.items() if not field.startswith(SUBMISSIONS)}
        return {
            "kafka": str(cluster),
            "last": LAST,
            "processes": _processes(client),
            "topics": [
                {
                    "name": cluster.topic(topic),
                    "topic": topic,
                    "reader": READERS[topic][0],
                    "partitions": [
                        _partition(topic, number, held, read) for number, held in found.items()
                    ],
                }
                for topic, found in ranges.items()
            ],
        }

    def messages(self, cluster: KafkaCluster, topic: str) -> dict[str, Any]:
        """Return the last messages of each partition of a topic, the latest first.

        Raises
        ------
        KafkaFailure
            If Kafka does not answer.
        """
        return {
            "topic": topic,
            "last": LAST,
            "partitions": self._shared(
                (cluster.bootstrap, topic), lambda: _last_messages(cluster, topic)
            ),
        }

    def _shared(self, what: tuple[str, str], read: Callable[[], Any]) -> Any:
        """Return what was read a moment ago, or read it."""
        with self._lock:
            at, kept = self._kept.get(what, (float("-inf"), None))
            if time.monotonic() - at > _FRESH_S:
                kept = read()
                self._kept[what] = (time.monotonic(), kept)
            return kept


def _processes(client: redis.Redis) -> list[dict[str, Any]]:
    """Return the processes of the run, and whether each holds its lease: whether it lives."""
    names = load_run(client).processes
    pipe = client.pipeline(transaction=False)
    for name in names:
        pipe.exists(keys.lease(name))
    return [
        {"name": name, "alive": bool(held)} for name, held in zip(names, execute(pipe), strict=True)
    ]


def _partition(topic: str, number: int, held: range, read: Mapping[str, str]) -> dict[str, Any]:
    """Return what a partition holds; `next` and `lag` are None where Redis does not say."""
    next_offset = None
    if READERS[topic][1]:
        text = read.get(keys.offset_field(topic, number), "")
        next_offset = int(text) if text.isdecimal() else None
    return {
        "partition": number,
        "first": held.start,
        "end": held.stop,
        "messages": len(held),
        "next": next_offset,
        "lag": None if next_offset is None else max(0, held.stop - next_offset),
    }


def _last_messages(cluster: KafkaCluster, topic: str) -> list[dict[str, Any]]:
    ranges = offset_ranges(cluster, [topic])[topic]
    found: dict[int, deque[ck.Message]] = {partition: deque(maxlen=LAST) for partition in ranges}
    waiting = {partition for partition, held in ranges.items() if held}
    config = consumer_config(cluster)
    config |= {"auto.offset.reset": "earliest", "enable.partition.eof": True}
    with kafka_failures(cluster), closing(ck.Consumer(config)) as consumer:
        consumer.assign(
            [
                ck.TopicPartition(
                    cluster.topic(topic), each, max(ranges[each].start, ranges[each].stop - LAST)
                )
                for each in sorted(waiting)
            ]
        )
        deadline = time.monotonic() + _READ_S
        while waiting and time.monotonic() < deadline:  # what has come until then is shown
            for message in consumer.consume(_AT_ONCE, timeout=0.1):
                partition = message.partition() or 0
                error = message.error()
                if error is None:
                    found[partition].append(message)
                if error is not None or (message.offset() or 0) + 1 >= ranges[partition].stop:
                    waiting.discard(partition)
    return [
        {"partition": partition, "messages": [_message(each) for each in reversed(messages)]}
        for partition, messages in found.items()
    ]


def _message(message: ck.Message) -> dict[str, Any]:
    """Return a message as text: whatever it holds, it is never markup."""
    value = message.value()
    letter = DeadLetter.from_headers(message.headers())
    return {
        "offset": message.offset(),
        "timestamp": message.timestamp()[1],
        "key": _text(message.key()),
        "value": _text(value),
        "bytes": 0 if value is None else len(value),
        "rejected": None
        if letter is None
        else {
            "topic": letter.topic,
            "partition": letter.partition,
            "offset": letter.offset,
            "reason": letter.reason,
            "detail": letter.detail,
            "process": letter.process,
        },
    }


def _text(content: bytes | str | None) -> str | None:
    if content is None:
        return None
    if isinstance(content, bytes):
        content = content[: 4 * _MAX_CHARS].decode("utf-8", "backslashreplace")
    return content if len(content) <= _MAX_CHARS else f"{content[:_MAX_CHARS]}…"
