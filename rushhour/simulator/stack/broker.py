"""The embedded broker: librdkafka's mock cluster as a process.

    python -m rushhour.simulator.stack.broker [TOPIC ...]

A Kafka broker in memory with the real protocol, part of confluent-kafka. Its limits: topics are
created with 4 partitions when they are first requested, and each partition keeps only its latest
5 MiB and deletes older messages silently. The closed loop of the replay stays within that, and
`auto.offset.reset=error` turns any gap into an error.
Source: librdkafka, `rdkafka_mock.h` and `test.mock.num.brokers` in CONFIGURATION.md.
"""

import signal
import sys

import confluent_kafka as ck

from rushhour.core.topics import TOPICS

# The cluster answers a fetch without messages only when its time is up, not when one arrives. The
# closed loop waits for that, so it is short.
CLIENT_CONF = {"fetch.wait.max.ms": "3"}

_TIMEOUT_S = 10.0


def main() -> None:
    """Start the cluster, print its bootstrap address on one line, and run until a signal."""
    cluster = ck.Producer({"test.mock.num.brokers": 1, "log_level": 2})
    for topic in sys.argv[1:] or TOPICS:
        metadata = cluster.list_topics(topic, timeout=_TIMEOUT_S)
    broker = next(iter(metadata.brokers.values()))
    print(f"{broker.host}:{broker.port}", flush=True)
    while True:
        signal.pause()


if __name__ == "__main__":
    main()
