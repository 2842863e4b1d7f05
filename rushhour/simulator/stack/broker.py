"""The embedded broker: `python -m rushhour.simulator.stack.broker` runs librdkafka's mock cluster.

A Kafka broker in memory with the real protocol, part of confluent-kafka. Its limits: topics are
created with 4 partitions when they are first requested, and each partition keeps only its latest
5 MiB and deletes older messages silently. The closed loop of the replay stays within that, and
`auto.offset.reset=error` turns any gap into an error.
Source: librdkafka, `rdkafka_mock.h` and `test.mock.num.brokers` in CONFIGURATION.md.
"""

import signal

import confluent_kafka as ck

from rushhour.core.settings import Settings
from rushhour.core.topics import TOPICS
from rushhour.runtime.process import run_process

_TIMEOUT_S = 10.0


def main() -> None:
    """Start the cluster, print its bootstrap address on one line, and wait for SIGTERM."""
    cluster = ck.Producer({"test.mock.num.brokers": 1, "log_level": 2})
    names = Settings.load().cluster("")
    for topic in TOPICS:
        metadata = cluster.list_topics(names.topic(topic), timeout=_TIMEOUT_S)
    broker = next(iter(metadata.brokers.values()))
    print(f"{broker.host}:{broker.port}", flush=True)
    while True:
        signal.pause()


if __name__ == "__main__":
    run_process("broker", main)
