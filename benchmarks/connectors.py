"""What our Kafka source and ticks cost beside Bytewax's connector and windows.

    python benchmarks/connectors.py [--hours 24]

Sends the first hours of the synthetic yellow month to an embedded broker, and counts rides by zone
and hour twice: with Bytewax's `KafkaSource`, `EventClock` and `count_window`, and with the source,
counter and joiner of `dataflows`. Prints CPU seconds per million trips, and how many counts differ
from the true ones. The broker keeps 5 MiB of a partition, which is about a day of trips.
"""

import argparse
import tempfile
import time
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import bytewax.operators as op
import bytewax.operators.windowing as win
import numpy as np
from bytewax.connectors.kafka import KafkaSource
from bytewax.dataflow import Dataflow
from bytewax.testing import TestingSink, run_main

from dataflows.counting import CityHour, HourJoiner
from dataflows.flow import CountLogic, JoinLogic
from dataflows.source import TripsSource
from producers.month.trips import TripTable, synthetic_table
from producers.numbering import number_trips
from producers.stream import KafkaStream
from rushhour.core.arrays import Counts
from rushhour.core.codec import trip_codec
from rushhour.core.events import Trip
from rushhour.core.hours import HOUR_MS, parse_month, to_datetime
from rushhour.core.kafka_cluster import KafkaCluster
from rushhour.core.run import SYNTHETIC, RunInfo
from rushhour.core.topics import TRIPS
from rushhour.core.zones import FIRST_ZONE, ZONE_COUNT
from rushhour.runtime.dead_letters import DeadLetters
from rushhour.runtime.kafka_topics import end_offsets
from rushhour.runtime.monitor import Health
from rushhour.runtime.records import RunRecords
from rushhour.simulator.stack.child_process import ChildProcess

_MONTH = "2024-10"
_PARTITIONS = 4
_RUN = "0123456789ab"


def send(bootstrap: str, trips: TripTable, start: int, hours: int) -> Counts:
    """Put trips and ticks on the topic; return the true counts, hours x zones."""
    numbered = number_trips(trips, start, start + hours * HOUR_MS, _PARTITIONS)
    stream = KafkaStream(KafkaCluster(bootstrap), _RUN, numbered)
    counts = np.zeros((hours, ZONE_COUNT), np.int64)
    stream.send_tick(start)
    for hour in range(hours):
        end = start + (hour + 1) * HOUR_MS
        stream.send_trips(end - HOUR_MS, end)
        stream.send_tick(end, final=hour == hours - 1)
        first, last = trips.slice(end - HOUR_MS, end)
        counts[hour] = np.bincount(trips.zone[first:last] - FIRST_ZONE, minlength=ZONE_COUNT)
    stream.flush()
    return counts


def with_connector(bootstrap: str, start: int, hours: int, wait_s: float) -> Counts:
    """Count with Bytewax's connector, event clock and windows."""
    codec = trip_codec(_RUN)
    out: list[Any] = []
    flow = Dataflow("connector")
    source = KafkaSource([bootstrap], [TRIPS], tail=False, batch_size=10_000)
    events = op.map("decode", op.input("trips", flow, source), lambda m: codec.decode(m.value))
    trips = op.filter("no_ticks", events, lambda event: isinstance(event, Trip))

    def time_of(trip: Trip) -> datetime:
        return to_datetime(trip.pickup_ts)

    clock = win.EventClock(time_of, timedelta(seconds=wait_s))
    windower = win.TumblingWindower(length=timedelta(hours=1), align_to=to_datetime(start))
    counted = win.count_window(
        "count", trips, clock, windower, lambda trip: str(trip.pickup_location_id)
    )
    op.output("counts", counted.down, TestingSink(out))
    run_main(flow)
    counts = np.zeros((hours, ZONE_COUNT), np.int64)
    for zone, (hour, rides) in out:
        counts[hour, int(zone) - FIRST_ZONE] = rides
    return counts


def with_ticks(bootstrap: str, start: int, hours: int) -> Counts:
    """Count as `dataflows.flow` does, without the forecasts."""
    out: list[tuple[str, CityHour]] = []
    flow = Dataflow("ticks")
    cluster, offsets = KafkaCluster(bootstrap), dict.fromkeys(range(_PARTITIONS), 0)
    run = RunInfo(_RUN, "yellow", _MONTH, SYNTHETIC, "", start, start + hours * HOUR_MS)
    records = RunRecords(_RUN, DeadLetters(cluster, _PARTITIONS, _RUN, "benchmark"))
    source = TripsSource(cluster, run, offsets, records, Health())
    keyed = op.key_on("by_partition", op.input("trips", flow, source), lambda b: str(b.partition))
    progress = op.stateful_batch("count", keyed, lambda state: CountLogic(state, start))
    city = op.map("city", progress, lambda item: ("city", item[1]))
    closed = op.stateful_batch(
        "join", city, lambda state: JoinLogic(state or HourJoiner(_PARTITIONS, start))
    )
    op.output("hours", closed, TestingSink(out))
    run_main(flow)
    rows = {hour.hour_ts: hour.rides for _, hour in out if hour.rides is not None}
    return np.stack([rows[start + hour * HOUR_MS] for hour in range(hours)])


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--hours", type=int, default=24)
    hours = parser.parse_args().hours
    start, _ = parse_month(_MONTH)
    with tempfile.TemporaryDirectory() as directory:
        log = Path(directory) / "broker.log"
        broker = ChildProcess.python("broker", "rushhour.simulator.stack.broker", log, {})
        while not (text := log.read_text()).endswith("\n"):
            time.sleep(0.05)
        bootstrap = text.strip()
        try:
            truth = send(bootstrap, synthetic_table("yellow", _MONTH), start, hours)
            messages = sum(end_offsets(KafkaCluster(bootstrap), [TRIPS])[TRIPS].values())
            ways: dict[str, Callable[[], Counts]] = {
                "connector and windows, no wait": lambda: with_connector(
                    bootstrap, start, hours, 0.0
                ),
                "connector and windows, wait of 60 s": lambda: with_connector(
                    bootstrap, start, hours, 60.0
                ),
                "our source and ticks": lambda: with_ticks(bootstrap, start, hours),
            }
            print(f"{truth.sum():,} trips, {messages:,} messages\n")
            print("| way | CPU s per million trips | wrong counts |\n|---|---|---|")
            for name, count in ways.items():
                cpu = time.process_time()
                counts = count()
                cpu = time.process_time() - cpu
                wrong = int((counts != truth).sum())
                print(f"| {name} | {cpu / truth.sum() * 1e6:.1f} | {wrong:,} |", flush=True)
        finally:
            broker.stop()


if __name__ == "__main__":
    main()
