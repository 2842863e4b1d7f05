"""The source of trips: what it reads of a partition, what it passes over, and where it ends."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import pytest
from prometheus_client import REGISTRY

from dataflows.source import Position, ProcessPartitions, TripsSource
from dataflows.trip_batch import TripBatch
from rushhour.core.codec import trip_codec
from rushhour.core.errors import KafkaFailure
from rushhour.core.events import Trip, TripEvent
from rushhour.core.kafka_cluster import KafkaCluster
from rushhour.core.run import RunInfo
from rushhour.core.topics import TRIPS, partition_of
from rushhour.core.zones import ZONE_IDS
from rushhour.runtime.batch_producer import BatchProducer
from rushhour.runtime.monitor import Health
from rushhour.runtime.records import RunRecords
from tests.fixtures.rejects import Rejected
from tests.fixtures.trip_stream import numbered, tick_after
from tests.fixtures.waiting import wait_until

RUN_ID, OTHER_RUN = "0123456789ab", "ba9876543210"
START = 1_727_740_800_000  # 2024-10-01 00:00
HOUR = 3_600_000
PARTITIONS, PARTITION = 4, 2
# As many processes as partitions, so that each reads one.
RUN = RunInfo(RUN_ID, "green", "2024-10", "a", "/a", START, START + 2 * HOUR, dataflows=PARTITIONS)
ZONES = [zone for zone in ZONE_IDS if partition_of(zone, PARTITIONS) == PARTITION]
ELSEWHERE = next(zone for zone in ZONE_IDS if partition_of(zone, PARTITIONS) != PARTITION)
TRIPS_OF_RUN = numbered([(START + 1_000, ZONES[0]), (START + 2_000, ZONES[1])])


def encoded(*events: TripEvent, run_id: str = RUN_ID) -> list[bytes]:
    return [trip_codec(run_id).encode(event) for event in events]


def send(bootstrap: str, *values: bytes | None, partition: int = PARTITION) -> None:
    producer = BatchProducer(KafkaCluster(bootstrap))
    producer.send(TRIPS, partition, [(None, value) for value in values])
    producer.flush()


@contextmanager
def source_of(
    bootstrap: str, rejected: Rejected, offset: int = 0, skipped: tuple[int, ...] = ()
) -> Iterator[ProcessPartitions]:
    skips = [(TRIPS, PARTITION, skip) for skip in skipped]
    source = TripsSource(
        KafkaCluster(bootstrap),
        RUN,
        dict.fromkeys(range(PARTITIONS), offset),
        RunRecords(RUN_ID, rejected, skips),
        Health(),
        PARTITION,
    ).build_part("", str(PARTITION), None)
    try:
        yield source
    finally:
        source.close()


def read(source: ProcessPartitions, events: int) -> list[TripBatch]:
    """Return batches with at least so many events."""
    found: list[TripBatch] = []

    def enough() -> bool:
        found.extend(source.next_batch())
        return sum(len(batch.offsets) for batch in found) >= events

    wait_until(enough, f"{events} events are read")
    return found


def seqs(batches: list[TripBatch]) -> list[int]:
    return [seq for batch in batches for seq in batch.seq.tolist()]


@pytest.mark.also_on_kafka
def test_a_gap_in_the_log_stops_the_source(broker: str) -> None:
    send(broker, *encoded(tick_after([], START)))
    with (
        source_of(broker, Rejected(), offset=10**6) as source,
        pytest.raises(KafkaFailure, match=f"topic 'trips' partition {PARTITION}"),
    ):
        wait_until(source.next_batch, "the source noticed the gap")


@pytest.mark.also_on_kafka
def test_it_reads_trips_and_ticks_and_stops_after_the_tick_of_the_runs_end(broker: str) -> None:
    first, last = tick_after([], START), tick_after(TRIPS_OF_RUN, START + 2 * HOUR)
    send(broker, *encoded(first, *TRIPS_OF_RUN))
    with source_of(broker, Rejected()) as source:
        (batch,) = read(source, 3)
        assert (batch.partition, batch.seq.tolist()) == (PARTITION, [0, 1])
        assert batch.zone.tolist() == ZONES[:2]
        assert batch.pickup_ts.tolist() == [START + 1_000, START + 2_000]
        assert batch.ticks == ((0, first),)
        assert list(batch.offsets) == [0, 1, 2]
        assert source.snapshot() == {PARTITION: Position(3)}
        assert source.next_batch() == []  # not the end: only the last tick is

        send(broker, *encoded(last))
        assert read(source, 1)[0].ticks == ((0, last),)
        assert source.snapshot() == {PARTITION: Position(4, ended=True)}
        with pytest.raises(StopIteration):
            source.next_batch()


BAD_RECORDS = {
    "no json": (b"not json", "undecodable", "malformed"),
    "empty": (None, "undecodable", "empty message"),
    "a time as text": (
        b'{"type":"trip","run_id":"0123456789ab","seq":1,"pickup_ts":"x","pickup_location_id":1}',
        "undecodable",
        "pickup_ts",
    ),
    "seconds": (
        b'{"type":"trip","run_id":"0123456789ab","seq":1,"pickup_ts":1727740800,'
        b'"pickup_location_id":1}',
        "undecodable",
        "epoch seconds",
    ),
    "another type": (b'{"type":"tock","run_id":"0123456789ab"}', "undecodable", "tock"),
    "no run": (b'{"type":"trip"}', "undecodable", "run_id"),
    "a trip before the run": (
        encoded(Trip(1, START - 1, ZONES[0]))[0],
        "out_of_bounds",
        "2024-09-30 23:59 is outside of the run's hours",
    ),
    "a trip after the run": (
        encoded(Trip(1, START + 2 * HOUR, ZONES[0]))[0],
        "out_of_bounds",
        "2024-10-01 02:00",
    ),
    "a tick far ahead": (
        encoded(tick_after([], 4_070_908_800_000))[0],
        "out_of_bounds",
        "2099-01-01 00:00",
    ),
    "a zone of another partition": (
        encoded(Trip(1, START, ELSEWHERE))[0],
        "wrong_partition",
        f"zone {ELSEWHERE}",
    ),
}


@pytest.mark.parametrize("name", BAD_RECORDS)
def test_a_record_that_cannot_be_of_the_run_is_rejected_and_nothing_else(
    broker: str, name: str
) -> None:
    value, reason, detail = BAD_RECORDS[name]
    first, last = tick_after([], START), tick_after(TRIPS_OF_RUN, START + HOUR)
    send(broker, *encoded(first, TRIPS_OF_RUN[0]), value, *encoded(TRIPS_OF_RUN[1], last))
    rejected = Rejected()
    with source_of(broker, rejected) as source:
        batches = read(source, 4)
        assert source.snapshot() == {PARTITION: Position(5)}
    assert seqs(batches) == [0, 1]
    assert [offset for batch in batches for offset in batch.offsets] == [0, 1, 3, 4]
    ((offset, found_reason, found_detail),) = rejected.records
    assert (offset, found_reason) == (2, reason)
    assert detail in found_detail


def test_records_of_another_run_are_counted_and_passed_over(broker: str) -> None:
    label = {"topic": TRIPS}
    before = REGISTRY.get_sample_value("rushhour_foreign_records_total", label) or 0.0
    own = encoded(tick_after([], START), *TRIPS_OF_RUN)
    other = encoded(tick_after([], START + HOUR), *TRIPS_OF_RUN, run_id=OTHER_RUN)
    send(broker, *(value for pair in zip(own, other, strict=True) for value in pair))
    rejected = Rejected()
    with source_of(broker, rejected) as source:
        batches = read(source, 3)
        wait_until(
            lambda: source.next_batch() or source.snapshot()[PARTITION].offset == 6, "all is read"
        )
    assert seqs(batches) == [0, 1]
    assert rejected.records == []
    assert REGISTRY.get_sample_value("rushhour_foreign_records_total", label) == before + 3


def test_a_record_that_is_to_be_skipped_is_rejected(broker: str) -> None:
    forged = Trip(0, START, ZONES[5])
    send(broker, *encoded(tick_after([], START), forged, *TRIPS_OF_RUN))
    rejected = Rejected()
    with source_of(broker, rejected, skipped=(1,)) as source:
        batches = read(source, 3)
    assert [zone for batch in batches for zone in batch.zone.tolist()] == ZONES[:2]
    assert rejected.records == [(1, "skipped", "")]


def test_each_process_reads_every_nth_partition() -> None:
    def parts(process: int, dataflows: int) -> list[str]:
        run = replace(RUN, dataflows=dataflows)
        records = RunRecords(RUN_ID, Rejected())
        offsets = dict.fromkeys(range(PARTITIONS), 0)
        return TripsSource(
            KafkaCluster("nowhere"), run, offsets, records, Health(), process
        ).list_parts()

    assert [parts(process, 3) for process in range(3)] == [["0"], ["1"], ["2"]]
    assert [parts(process, 6) for process in range(6)] == [["0"], ["1"], ["2"], ["3"], [], []]


def test_a_process_reads_all_its_partitions_each_to_its_own_end(broker: str) -> None:
    def zone_of(partition: int) -> int:
        return next(zone for zone in ZONE_IDS if partition_of(zone, PARTITIONS) == partition)

    run = replace(RUN, dataflows=2)
    trip = {partition: Trip(0, START, zone_of(partition)) for partition in (1, 3)}
    end = {partition: tick_after([trip[partition]], run.end_ts) for partition in (1, 3)}
    send(broker, *encoded(trip[1], end[1]), partition=1)
    send(broker, *encoded(trip[3]), partition=3)
    rejected = Rejected()
    records = RunRecords(RUN_ID, rejected)
    offsets = dict.fromkeys(range(PARTITIONS), 0)
    sources = TripsSource(KafkaCluster(broker), run, offsets, records, Health(), process=1)
    source = sources.build_part("", "1", None)
    try:
        batches = read(source, 3)
        assert {batch.partition: batch.zone.tolist() for batch in batches if len(batch.zone)} == {
            partition: [zone_of(partition)] for partition in (1, 3)
        }
        send(broker, b"after the end", partition=1)
        send(broker, *encoded(end[3]), partition=3)
        assert [batch.partition for batch in read(source, 1)] == [3]
        assert rejected.records == []
        with pytest.raises(StopIteration):
            source.next_batch()
        state = source.snapshot()
        assert state == {1: Position(2, ended=True), 3: Position(2, ended=True)}
    finally:
        source.close()
    resumed = sources.build_part("", "1", {1: state[1], 3: Position(1)})
    try:
        assert [batch.ticks for batch in read(resumed, 1)] == [((0, end[3]),)]
    finally:
        resumed.close()
