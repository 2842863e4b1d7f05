"""librdkafka's mock cluster in a process of its own: `python -m rushhour.simulator.stack.broker`.

A Kafka broker in memory that speaks the real protocol, shipped inside confluent-kafka. Two
things to know: topics appear with 4 partitions when they are first asked for, and each
partition keeps only its latest 5 MiB; older messages vanish without a word. The replay's
closed loop keeps the line within that, and `auto.offset.reset=error` makes any gap loud.
Source: librdkafka, `rdkafka_mock.h` and `test.mock.num.brokers` in CONFIGURATION.md.
"""

import signal

import confluent_kafka as ck

from rushhour.core.topics import TOPICS
from rushhour.runtime.process import run_process

_TIMEOUT_S = 10.0


def main() -> None:
    """Start the cluster, print its bootstrap address on one line, and stay until stopped."""
    cluster = ck.Producer({"test.mock.num.brokers": 1, "log_level": 2})
    for topic in TOPICS:
        metadata = cluster.list_topics(topic, timeout=_TIMEOUT_S)
    broker = next(iter(metadata.brokers.values()))
    print(f"{broker.host}:{broker.port}", flush=True)
    while True:
        signal.pause()


if __name__ == "__main__":
    run_process("broker", main)
