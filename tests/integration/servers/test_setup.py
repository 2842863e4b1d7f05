"""The setup of a run: which keys are deleted, where it starts, and what is read back."""

from dataclasses import replace

import pytest
import redis

from rushhour.core import keys
from rushhour.core.clock import ClockStatus
from rushhour.core.errors import KafkaFailure, RedisFailure, StackError
from rushhour.core.kafka_cluster import KafkaCluster
from rushhour.core.run import RunInfo
from rushhour.core.topics import ALERTS, HOURLY_RIDES, PREDICTIONS, TOPICS, TRIPS
from rushhour.core.version import VERSION
from rushhour.runtime import kafka
from rushhour.runtime.kafka import BatchProducer
from rushhour.simulator.stack.ports import free_ports
from rushhour.simulator.stack.setup import prepare
from rushhour.storage.clock import (
    first_open_hour,
    is_finished,
    last_hour_closed,
    load_status,
    save_status,
)
from rushhour.storage.runs import join_run, load_offsets, load_run, save_run

START = 1_727_910_000_000  # 2024-10-02 23:00
NEW = RunInfo("new", "green", "2024-10", "a.parquet", "/a.parquet", START, START + 3_600_000)
OF_RUSHHOUR = (
    keys.CLOCK,
    keys.RUN,
    keys.OFFSETS,
    keys.CLOSED,
    keys.DUPLICATES,
    keys.COMMANDS,
    keys.CITY,
    keys.CITY_HOURLY,
    keys.QUALITY,
    keys.BOARD_MAE,
    keys.BOARD_RIDES,
    keys.zone(132),
    keys.rides("2024-10-02T23"),
    keys.predictions("2024-10-02T23"),
    keys.model_predictions("last_hour", "2024-10-02T23"),
    keys.errors("2024-10-02T23"),
    keys.model("last_hour"),
    keys.ALERTS,
    keys.COVERAGE,
    keys.lower("2024-10-02T23"),
    keys.upper("2024-10-02T23"),
    keys.hour_alerts("2024-10-02T23"),
)


@pytest.mark.also_on_kafka
def test_a_new_run_deletes_every_key_of_the_last_one_and_no_other(
    broker: str, client: redis.Redis
) -> None:
    others = {"mine", "zones", "cities:1", "sim:mine", "zone:east", "errors:of-another-app"}
    for key in (*OF_RUSHHOUR, *others):
        client.set(key, "old")

    prepare(client, KafkaCluster(broker), 4, NEW, create=False)

    assert set(client.scan_iter()) == {
        keys.RUN,
        keys.OFFSETS,
        *others,
    }
    assert load_run(client) == NEW


@pytest.mark.also_on_kafka
def test_a_new_run_starts_after_the_messages_of_earlier_ones(
    broker: str, client: redis.Redis
) -> None:
    producer = BatchProducer(KafkaCluster(broker))
    producer.send(TRIPS, 2, [{"value": b"old"}] * 5)
    producer.send(PREDICTIONS, 0, [{"value": b"old"}])
    producer.flush()

    prepare(client, KafkaCluster(broker), 4, NEW, create=False)

    assert load_offsets(client, TRIPS) == {0: 0, 1: 0, 2: 5, 3: 0}
    assert load_offsets(client, HOURLY_RIDES) == {0: 0, 1: 0, 2: 0, 3: 0}
    assert load_offsets(client, PREDICTIONS) == {0: 1, 1: 0, 2: 0, 3: 0}


@pytest.mark.also_on_kafka
def test_existing_topics_keep_their_partitions(broker: str, client: redis.Redis) -> None:
    prepare(client, KafkaCluster(broker), 12, NEW, create=True)

    assert {topic: len(load_offsets(client, topic)) for topic in TOPICS} == dict.fromkeys(TOPICS, 4)


@pytest.mark.parametrize("topic", [HOURLY_RIDES, PREDICTIONS, ALERTS])
def test_joined_topics_need_the_same_number_of_partitions(
    client: redis.Redis, monkeypatch: pytest.MonkeyPatch, topic: str
) -> None:
    four: dict[str, dict[int, int]] = {name: dict.fromkeys(range(4), 0) for name in TOPICS}
    monkeypatch.setattr(
        "rushhour.simulator.stack.setup.end_offsets", lambda *_: four | {topic: {0: 0}}
    )
    client.set(keys.CITY, "old")
    with pytest.raises(KafkaFailure, match=rf"same number of partitions \(.*'{topic}' 1"):
        prepare(client, KafkaCluster("127.0.0.1:1"), 4, NEW, create=False)
    assert client.get(keys.CITY) == "old"


def test_the_topic_of_trips_may_have_another_number_of_partitions(
    client: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    four: dict[str, dict[int, int]] = {name: dict.fromkeys(range(4), 0) for name in TOPICS}
    monkeypatch.setattr(
        "rushhour.simulator.stack.setup.end_offsets", lambda *_: four | {TRIPS: {0: 0}}
    )
    prepare(client, KafkaCluster("127.0.0.1:1"), 4, NEW, create=False)
    assert (len(load_offsets(client, TRIPS)), len(load_offsets(client, ALERTS))) == (1, 4)


@pytest.mark.parametrize("create", [True, False])
def test_without_kafka_the_last_run_is_unchanged(
    client: redis.Redis,
    monkeypatch: pytest.MonkeyPatch,
    create: bool,
) -> None:
    monkeypatch.setattr(kafka, "_METADATA_TIMEOUT_S", 0.5)
    for key in OF_RUSHHOUR:
        client.set(key, "old")

    with pytest.raises(KafkaFailure, match=r"^Kafka at 127\.0\.0\.1:"):
        prepare(client, KafkaCluster(f"127.0.0.1:{free_ports(1)[0]}"), 4, NEW, create=create)

    assert set(client.scan_iter()) == set(OF_RUSHHOUR)


# What each process reads back.


@pytest.mark.parametrize(
    "run",
    [
        NEW,
        replace(NEW, dataflows=3, consumers=2),
        replace(NEW, source="synthetic", file=""),
        replace(NEW, models=("mixture", "last_hour")),
        replace(NEW, rows=7, size=1_234, sha256="ab" * 32, version="0.0.1"),
        replace(NEW, surge="79:0.5@2024-10-02 23:00,132:2@2024-10-20 00:00"),
    ],
)
def test_a_run_is_read_back_as_it_was_saved(client: redis.Redis, run: RunInfo) -> None:
    save_run(client, run)
    assert load_run(client) == run


def test_a_process_of_another_version_does_not_join_a_run(client: redis.Redis) -> None:
    save_run(client, NEW)
    assert join_run(client) == NEW

    old = replace(NEW, version="0.0.1")
    save_run(client, old)
    with pytest.raises(StackError) as caught:
        join_run(client)
    assert str(caught.value) == (
        f"rushhour 0.0.1 started this run, and this is rushhour {VERSION}: finish it with 0.0.1, "
        "or start over with `rushhour prepare --new`"
    )
    assert load_run(client) == old  # it can still be read


@pytest.mark.parametrize(("field", "value"), [("sha256", None), ("rows", "x"), ("from", "y")])
def test_a_run_that_cannot_be_read_is_one_line(
    client: redis.Redis, field: str, value: str | None
) -> None:
    save_run(client, NEW)
    if value is None:
        client.hdel(keys.RUN, field)
    else:
        client.hset(keys.RUN, field, value)
    with pytest.raises(RedisFailure, match=r"^'sim:run' of this Redis is not a run of rushhour"):
        load_run(client)


@pytest.mark.parametrize(
    "status",
    [
        ClockStatus(START, "6h/s", "running", 12),
        ClockStatus(START + 1, "max", "paused", 0, "7-0", "no such speed", speed_setting="1h/s"),
    ],
)
def test_the_clock_is_read_back_as_it_was_saved(client: redis.Redis, status: ClockStatus) -> None:
    assert load_status(client) is None
    save_status(client, status)
    assert load_status(client) == status


def test_a_run_is_over_once_its_last_hour_is_closed(client: redis.Redis) -> None:
    run = replace(NEW, end_ts=START + 2 * 3_600_000)
    found = []
    for closed in (None, START, START + 3_600_000):
        if closed is not None:
            client.xadd(keys.CITY_HOURLY, {"rides": 1}, id=f"{closed}-0")
        assert last_hour_closed(client) == closed
        found.append(
            ((first_open_hour(client, run) - START) // 3_600_000, is_finished(client, run))
        )
    assert found == [(0, False), (1, False), (2, True)]
