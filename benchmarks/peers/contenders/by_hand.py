"""The floor: no stream processor, one loop around librdkafka, msgspec and numpy.

https://docs.confluent.io/platform/current/clients/confluent-kafka-python/html/index.html
https://jcristharif.com/msgspec/perf-tips.html
"""

from typing import Any

import confluent_kafka as ck
import msgspec
import numpy as np

from benchmarks.peers.work import HOUR_MS, PARTITIONS, Counts, Work

_ZONES = 266
_BATCH = 10_000


class Trip(msgspec.Struct, gc=False):
    """The fields of a message that are needed."""

    pickup_ts: int
    pickup_location_id: int


def main() -> None:
    """Count."""
    work = Work.from_environment()
    consumer = ck.Consumer(
        {
            "bootstrap.servers": work.bootstrap,
            "group.id": work.run,
            "enable.auto.commit": False,
            "auto.offset.reset": "earliest",
            "enable.partition.eof": True,
            # Without it a reader that waits for a full queue to drain sleeps for a second.
            "fetch.queue.backoff.ms": 5,
        }
    )
    consumer.assign([ck.TopicPartition(work.topic, p, 0) for p in range(PARTITIONS)])
    decoder = msgspec.json.Decoder(Trip)
    hours = (work.end_ts - work.start_ts) // HOUR_MS
    counts = np.zeros((hours, _ZONES), np.int64)
    passed = dict.fromkeys(range(PARTITIONS), 0)  # hours that each partition has passed
    emitted: Counts = {}
    closed = ended = 0
    while ended < PARTITIONS:
        messages = consumer.consume(_BATCH, timeout=1.0)
        trips: list[Any] = [message for message in messages if message.error() is None]
        ended += len(messages) - len(trips)
        if not trips:
            continue
        events = decoder.decode_lines(b"\n".join([trip.value() for trip in trips]))
        hour = (np.array([event.pickup_ts for event in events]) - work.start_ts) // HOUR_MS
        zone = np.array([event.pickup_location_id for event in events])
        within = hour < hours
        place = hour[within] * _ZONES + zone[within]
        counts += np.bincount(place, minlength=counts.size).reshape(counts.shape)
        passed |= zip([trip.partition() for trip in trips], hour.tolist(), strict=True)
        while closed < min(*passed.values(), hours):  # no more trips of this hour will follow
            start = work.start_ts + closed * HOUR_MS
            row = counts[closed]
            emitted |= {(zone, start): int(row[zone]) for zone in np.flatnonzero(row).tolist()}
            closed += 1
    consumer.close()
    work.hand_in(emitted)


if __name__ == "__main__":
    main()
