"""rushhour's dataflow without its sinks: source, counter and joiner; `--forecast` adds the models.

Reads the same trips with rushhour's ticks between them, which close the hours.
"""

import argparse
import os

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # as in `dataflows.__main__`

import bytewax.operators as op
import numpy as np
from bytewax.dataflow import Dataflow
from bytewax.outputs import DynamicSink, StatelessSinkPartition
from bytewax.run import cli_main

from benchmarks.peers.work import PARTITIONS, Counts, Work
from dataflows.counting import CityHour, HourJoiner
from dataflows.flow import CountLogic, ForecastLogic, JoinLogic
from dataflows.forecasting.engine import ForecastEngine
from dataflows.source import TripsSource
from rushhour.core.kafka_cluster import KafkaCluster
from rushhour.core.run import RunInfo
from rushhour.core.topics import TRIPS
from rushhour.core.zones import FIRST_ZONE
from rushhour.runtime.dead_letters import DeadLetters
from rushhour.runtime.monitor import Health
from rushhour.runtime.records import RunRecords

RUN_ID = "0123456789ab"


class HoursPartition(StatelessSinkPartition[tuple[str, CityHour]]):
    """Keeps the counts of each hour that is closed."""

    def __init__(self, counts: Counts) -> None:
        self._counts = counts

    def write_batch(self, items: list[tuple[str, CityHour]]) -> None:
        """Keep some."""
        for _, hour in items:
            if hour.rides is None:  # the opening of the first hour
                continue
            for column in np.flatnonzero(hour.rides).tolist():
                self._counts[FIRST_ZONE + column, hour.hour_ts] = int(hour.rides[column])


class HoursSink(DynamicSink[tuple[str, CityHour]]):
    """Where closed hours go."""

    def __init__(self, counts: Counts) -> None:
        self._counts = counts

    def build(self, step_id: str, worker_index: int, worker_count: int) -> HoursPartition:
        """Build the partition of the only worker."""
        return HoursPartition(self._counts)


class NoPartition(StatelessSinkPartition[object]):
    """Drops forecasts."""

    def write_batch(self, items: list[object]) -> None:
        """Drop some."""


class NoSink(DynamicSink[object]):
    """Where forecasts go: nobody asks for them here."""

    def build(self, step_id: str, worker_index: int, worker_count: int) -> NoPartition:
        """Build the partition of the only worker."""
        return NoPartition()


def build_flow(work: Work, counts: Counts, *, forecast: bool) -> Dataflow:
    """Return the dataflow; it ends with the final ticks."""
    cluster = KafkaCluster(work.bootstrap, topic_prefix=work.topic.removesuffix(TRIPS))
    run = RunInfo(RUN_ID, "yellow", "", "benchmark", "", work.start_ts, work.end_ts)
    records = RunRecords(RUN_ID, DeadLetters(cluster, PARTITIONS, RUN_ID, "benchmark"))
    source = TripsSource(cluster, run, dict.fromkeys(range(PARTITIONS), 0), records, Health())
    flow = Dataflow("rushhour_dataflow")
    batches = op.input("trips", flow, source)
    keyed = op.key_on("by_partition", batches, lambda batch: str(batch.partition))
    progress = op.stateful_batch("count", keyed, lambda state: CountLogic(state, work.start_ts))
    city = op.map("city", progress, lambda item: ("city", item[1]))
    hours = op.stateful_batch(
        "join", city, lambda state: JoinLogic(state or HourJoiner(PARTITIONS, work.start_ts))
    )
    op.output("hours", hours, HoursSink(counts))
    if forecast:
        forecasts = op.stateful_batch(
            "forecast", hours, lambda state: ForecastLogic(state or ForecastEngine())
        )
        op.output("forecasts", forecasts, NoSink())
    return flow


def main() -> None:
    """Count."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--forecast", action="store_true")
    forecast = parser.parse_args().forecast
    work = Work.from_environment()
    counts: Counts = {}
    cli_main(build_flow(work, counts, forecast=forecast))  # type: ignore[no-untyped-call]
    work.hand_in(counts)


if __name__ == "__main__":
    main()
