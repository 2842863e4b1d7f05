"""The producer against a broker and a Redis: where it starts, and what it logs."""

from dataclasses import replace
from importlib import import_module
from pathlib import Path

import pytest
import redis

from producers.__main__ import main
from rushhour.core import keys
from rushhour.core.codec import trip_codec
from rushhour.core.errors import DataError, StackError
from rushhour.core.events import Tick, Trip, TripEvent
from rushhour.core.hours import HOUR_MS, clock_label
from rushhour.core.kafka_cluster import KafkaCluster
from rushhour.core.run import RunInfo
from rushhour.core.topics import TRIPS
from rushhour.runtime.fence import Fence
from rushhour.runtime.kafka import assigned_consumer
from rushhour.runtime.kafka_topics import end_offsets
from rushhour.runtime.monitor import Health
from rushhour.runtime.redis_client import read_hash
from rushhour.simulator.stack.redis_server import EmbeddedRedis
from rushhour.simulator.stack.setup import prepare
from rushhour.storage.clock import load_status
from tests.fixtures.redis_server import fence_of
from tests.fixtures.settings import SettingsFactory
from tests.fixtures.trips import sha256_of, write_trips

START = 1_727_740_800_000  # 2024-10-01 00:00
HOURS = 30
END = START + HOURS * HOUR_MS


@pytest.fixture
def run(tmp_path: Path) -> RunInfo:
    """A run of 30 hours with a trip at the start of each, of another zone."""
    rows = [(f"{clock_label(START + i * HOUR_MS)}:00", i + 1) for i in range(HOURS)]
    file = write_trips(tmp_path / "trips.parquet", [*rows, (rows[0][0], 999), (None, 1)])
    sha256 = sha256_of(file)
    return RunInfo("id", "green", "2024-10", file.name, str(file), START, END, sha256=sha256)


def replay(
    run: RunInfo, client: redis.Redis, settings: SettingsFactory, broker: str, url: str
) -> list[TripEvent]:
    """Run the producer to its end; return the events that it has sent, by partition."""
    before = end_offsets(KafkaCluster(broker), (TRIPS,))
    flags = settings(kafka=broker, redis=url, speed="max", ahead_hours=168)
    main(flags, Health(), fence_of(client, "producer-0"))
    after = end_offsets(KafkaCluster(broker), (TRIPS,))
    count = sum(after[TRIPS].values()) - sum(before[TRIPS].values())
    consumer, codec = assigned_consumer(KafkaCluster(broker), before), trip_codec(run.run_id)
    events: list[TripEvent] = []
    while len(events) < count:
        values = [message.value() for message in consumer.consume(1_000, timeout=0.2)]
        events += [codec.decode(value) for value in values if value is not None]
    consumer.close()
    return events


def zones(events: list[TripEvent]) -> list[int]:
    """The zone of each trip, in order of time."""
    trips = [event for event in events if isinstance(event, Trip)]
    return [trip.pickup_location_id for trip in sorted(trips, key=lambda trip: trip.pickup_ts)]


def test_a_run_is_sent_from_its_start_and_after_a_restart_from_the_first_open_hour(
    run: RunInfo,
    client: redis.Redis,
    redis_server: EmbeddedRedis,
    settings: SettingsFactory,
    broker: str,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level("INFO")
    prepare(client, KafkaCluster(broker), 4, run, create=False)

    first = replay(run, client, settings, broker, redis_server.url)

    assert zones(first) == list(range(1, HOURS + 1))
    ends = [e.trips for e in first if isinstance(e, Tick) and e.sim_ts == END]
    assert (len(ends), sum(ends)) == (4, HOURS)
    assert caplog.messages == [
        "run id: green 2024-10, trips.parquet",
        "30 trips of 32 rows, rejected: null_time 1, unknown_zone 1",
        "30 hours from 2024-10-01 00:00 to 2024-10-02 06:00 at max",
        "simulated 2024-10-02 00:00: 24 trips sent",
        "finished: 30 trips sent",
    ]
    quality = read_hash(client, keys.QUALITY)
    assert (quality["rows_read"], quality["trips_usable"]) == ("32", "30")
    status = load_status(client)
    assert status is not None
    assert (status.state, status.now_ts, status.trips) == ("finished", END, 30)

    caplog.clear()
    client.xadd(keys.CITY_HOURLY, {"hour": "2024-10-02T01"}, id=f"{START + 25 * HOUR_MS}-0")

    again = replay(run, client, settings, broker, redis_server.url)

    assert zones(again) == list(range(27, HOURS + 1))
    assert set(again) <= set(first)  # with the same numbers and checksums
    assert caplog.messages[2:] == [
        "30 hours from 2024-10-01 00:00 to 2024-10-02 06:00 at max, resumed at 2024-10-02 02:00",
        "finished: 30 trips sent",
    ]


def test_a_file_that_was_replaced_in_mid_run_is_not_sent(
    run: RunInfo,
    client: redis.Redis,
    redis_server: EmbeddedRedis,
    settings: SettingsFactory,
    broker: str,
) -> None:
    prepare(client, KafkaCluster(broker), 4, run, create=False)
    before = end_offsets(KafkaCluster(broker), (TRIPS,))
    file = write_trips(Path(run.file), [("2024-10-01 00:00:00", 1)] * 32)

    with pytest.raises(DataError) as caught:
        replay(run, client, settings, broker, redis_server.url)

    assert str(caught.value) == (
        f"{file} is not the file this run started with (sha256 {sha256_of(file)}, expected "
        f"{run.sha256}): restore it, or start over with `rushhour prepare --new`"
    )
    assert end_offsets(KafkaCluster(broker), (TRIPS,)) == before
    assert read_hash(client, keys.QUALITY) == {}


@pytest.mark.parametrize("name", ["producer", "dataflow", "consumer"])
def test_no_process_joins_a_run_of_another_version(
    run: RunInfo,
    client: redis.Redis,
    redis_server: EmbeddedRedis,
    settings: SettingsFactory,
    broker: str,
    name: str,
) -> None:
    prepare(client, KafkaCluster(broker), 4, replace(run, version="0.0.1"), create=False)
    before = {key: client.hgetall(key) for key in client.scan_iter()}
    process = import_module(f"{name}s.__main__")

    with pytest.raises(StackError, match=r"^rushhour 0\.0\.1 started this run, and this is"):
        process.main(
            settings(kafka=broker, redis=redis_server.url),
            Health(),
            Fence("id", f"{name}-0", 1, "owner"),
        )

    assert {key: client.hgetall(key) for key in client.scan_iter()} == before
