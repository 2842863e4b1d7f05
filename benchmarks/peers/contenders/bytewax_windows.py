"""Bytewax with its own Kafka connector, event clock and windows.

https://docs.bytewax.io/stable/guide/concepts/windowing.html: the clock, the windower, and what
`wait_for_system_duration` means in a replay.
https://docs.bytewax.io/stable/guide/advanced-concepts/performance.html: `batch_size`; one worker,
because workers of a process share Python's lock.
"""

from datetime import UTC, datetime, timedelta

import bytewax.operators as op
import bytewax.operators.windowing as win
import msgspec
from bytewax.connectors.kafka import operators as kop
from bytewax.dataflow import Dataflow
from bytewax.outputs import DynamicSink, StatelessSinkPartition
from bytewax.run import cli_main

from benchmarks.peers.work import HOUR_MS, Counts, Work

# The clock of a zone runs on between its trips: with no wait, a trip of the same second is late.
_WAIT = timedelta(minutes=1)
_BATCH = 10_000

Window = tuple[str, tuple[int, int]]  # zone, number of the hour, trips


class Trip(msgspec.Struct, gc=False):
    """The fields of a message that are needed."""

    pickup_ts: int
    pickup_location_id: int


class CountsPartition(StatelessSinkPartition[Window]):
    """Keeps each window that is closed."""

    def __init__(self, counts: Counts, start_ts: int) -> None:
        self._counts = counts
        self._start_ts = start_ts

    def write_batch(self, items: list[Window]) -> None:
        """Keep some."""
        for zone, (hour, trips) in items:
            self._counts[int(zone), self._start_ts + hour * HOUR_MS] = trips


class CountsSink(DynamicSink[Window]):
    """Where closed windows go."""

    def __init__(self, counts: Counts, start_ts: int) -> None:
        self._counts = counts
        self._start_ts = start_ts

    def build(self, step_id: str, worker_index: int, worker_count: int) -> CountsPartition:
        """Build the partition of the only worker."""
        return CountsPartition(self._counts, self._start_ts)


def build_flow(work: Work, counts: Counts) -> Dataflow:
    """Return the dataflow; it ends with the topic."""
    flow = Dataflow("bytewax_windows")
    messages = kop.input(
        "trips",
        flow,
        brokers=[work.bootstrap],
        topics=[work.topic],
        tail=False,
        batch_size=_BATCH,
        add_config={"fetch.queue.backoff.ms": "5"},
    )
    decode = msgspec.json.Decoder(Trip).decode
    trips = op.map("decode", messages.oks, lambda message: decode(message.value or b""))
    clock: win.EventClock[Trip] = win.EventClock(
        ts_getter=lambda trip: datetime.fromtimestamp(trip.pickup_ts / 1000, UTC),
        wait_for_system_duration=_WAIT,
    )
    windower = win.TumblingWindower(
        length=timedelta(hours=1), align_to=datetime.fromtimestamp(work.start_ts / 1000, UTC)
    )
    windows = win.count_window(
        "count", trips, clock, windower, key=lambda trip: str(trip.pickup_location_id)
    )
    op.output("closed", windows.down, CountsSink(counts, work.start_ts))
    return flow


def main() -> None:
    """Count."""
    work = Work.from_environment()
    counts: Counts = {}
    cli_main(build_flow(work, counts))  # type: ignore[no-untyped-call]
    work.hand_in(counts)


if __name__ == "__main__":
    main()
