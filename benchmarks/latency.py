"""How long after its end an hour is scored in Redis: percentiles of a run on this machine.

    python benchmarks/latency.py [--seconds 60] [--warm-up 5] [FLAGS OF rushhour up]

The time of an hour runs from its last tick, the latest timestamp that the producer gave the ticks
of its end on the partitions of `trips`, to the moment at which a reader gets its entry in
`city:hourly`. It is split where the last end of the hour on `alerts` was sent: before it the
dataflow counts, learns and predicts, after it the consumer scores and writes. Timestamps of Kafka
are whole milliseconds. By default the run is `up --speed 6h/s`. Prints a Markdown table.

Start-up is not measured: the hours that are scored in the first seconds are left out.
"""

import argparse
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import numpy as np
import redis

from rushhour.core import keys
from rushhour.core.codec import Codec, alert_codec, trip_codec
from rushhour.core.events import HourEnd, Tick
from rushhour.core.hours import HOUR_MS
from rushhour.core.kafka_cluster import KafkaCluster
from rushhour.core.topics import ALERTS, TRIPS
from rushhour.runtime.kafka import assigned_consumer
from rushhour.simulator.stack.session import Session
from rushhour.storage.clock import hour_of_entry
from rushhour.storage.runs import load_offsets

_START_S = 60.0
_POLL_S = 0.02
_PERCENTILES = (50, 90, 99)
_BATCH = 10_000


@dataclass
class Times:
    """When what happened to an hour, by its end (epoch ms): wall time, milliseconds."""

    ticks: dict[int, float] = field(default_factory=dict)
    ends: dict[int, float] = field(default_factory=dict)
    entries: dict[int, float] = field(default_factory=dict)

    def steps(self, after_ms: float) -> dict[str, list[float]]:
        """Return the milliseconds of each step, for the hours scored after an instant."""
        hours = sorted(
            hour
            for hour in self.ticks.keys() & self.ends.keys() & self.entries.keys()
            if self.entries[hour] > after_ms
        )
        return {
            "last tick to end of the hour on `alerts`": [
                self.ends[hour] - self.ticks[hour] for hour in hours
            ],
            "from there to `city:hourly`": [self.entries[hour] - self.ends[hour] for hour in hours],
            "**last tick to `city:hourly`**": [
                self.entries[hour] - self.ticks[hour] for hour in hours
            ],
        }


def watch_topic(
    cluster: KafkaCluster,
    topic: str,
    offsets: Mapping[int, int],
    codec: Codec[Any],
    latest: dict[int, float],
    stop: threading.Event,
) -> None:
    """Note the latest timestamp of the ticks or the ends of each hour on a topic."""
    consumer = assigned_consumer(cluster, {topic: offsets})
    try:
        while not stop.is_set():
            for message in consumer.consume(_BATCH, timeout=_POLL_S):
                value = message.value() or b""
                if b'"tick"' not in value and b'"hour_end"' not in value:
                    continue
                event = codec.decode(value)
                if isinstance(event, Tick | HourEnd):
                    hour = event.sim_ts if isinstance(event, Tick) else event.end_ts
                    latest[hour] = max(latest.get(hour, 0.0), float(message.timestamp()[1]))
    finally:
        consumer.close()


def watch_city(client: redis.Redis, entries: dict[int, float], stop: threading.Event) -> None:
    """Note when the entry of each hour is read."""
    last = "0-0"
    while not stop.is_set():
        try:
            replies = cast(Any, client.xread({keys.CITY_HOURLY: last}, block=1_000))
        except redis.ConnectionError:  # the run has ended
            return
        now = time.time() * 1000
        for last, _ in (entry for _, found in replies for entry in found):
            entries[hour_of_entry(last) + HOUR_MS] = now


@contextmanager
def started_run(flags: Sequence[str]) -> Iterator[tuple[Session, redis.Redis]]:
    """Start `rushhour up`, and yield its servers once it sends trips; stop it in the end."""
    rushhour = Path(sys.executable).with_name("rushhour")
    with tempfile.TemporaryDirectory() as state:
        command = [str(rushhour), "up", "-q", "--speed", "6h/s", "--state-dir", state, *flags]
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        try:
            yield _wait_for(Path(state), process)
        finally:
            process.terminate()
            process.wait()


def _wait_for(state: Path, process: subprocess.Popen[bytes]) -> tuple[Session, redis.Redis]:
    deadline = time.monotonic() + _START_S
    while time.monotonic() < deadline and process.poll() is None:
        session = Session.load(state)
        client = session.client() if session is not None else None
        if session is not None and client is not None and client.exists(keys.CLOCK):
            return session, client
        time.sleep(_POLL_S)
    sys.exit("rushhour up did not start: see above")


def measure(flags: Sequence[str], seconds: float, warm_up_s: float) -> dict[str, list[float]]:
    """Return the milliseconds of each step, one for each hour that was scored."""
    times, stop = Times(), threading.Event()
    with started_run(flags) as (session, client):
        cluster = KafkaCluster(session.kafka)
        topics = ((TRIPS, trip_codec, times.ticks), (ALERTS, alert_codec, times.ends))
        threads = [threading.Thread(target=watch_city, args=(client, times.entries, stop))]
        for topic, codec_of, latest in topics:
            codec: Codec[Any] = codec_of(session.run_id)
            arguments = (cluster, topic, load_offsets(client, topic), codec, latest, stop)
            threads.append(threading.Thread(target=watch_topic, args=arguments))
        for thread in threads:
            thread.start()
        begin_ms = (time.time() + warm_up_s) * 1000
        time.sleep(warm_up_s + seconds)
        stop.set()
        for thread in threads:
            thread.join()
    return times.steps(begin_ms)


def table(steps: Mapping[str, Sequence[float]]) -> str:
    """Return percentiles of each step as a Markdown table."""
    heads = [f"p{p} ms" for p in _PERCENTILES]
    lines = [f"| step | hours | {' | '.join(heads)} | max ms |", "|---|---|---|---|---|---|"]
    for name, values in steps.items():
        cells = [f"{value:.0f}" for value in np.percentile(values, _PERCENTILES)]
        lines.append(f"| {name} | {len(values)} | {' | '.join(cells)} | {max(values):.0f} |")
    return "\n".join(lines)


def main() -> None:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seconds", type=float, default=60.0, help="how long to measure")
    parser.add_argument("--warm-up", type=float, default=5.0, help="seconds that are left out")
    arguments, flags = parser.parse_known_args()
    steps = measure(flags, arguments.seconds, arguments.warm_up)
    if not all(steps.values()):
        sys.exit("no hour was scored in that time: measure longer, or run faster")
    print(table(steps))


if __name__ == "__main__":
    main()
