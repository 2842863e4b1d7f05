"""The setup of a run: which keys are deleted, where it starts, and what is read back."""

from dataclasses import replace
from itertools import count
from typing import Any

import pytest
import redis
from redis.client import Pipeline
from redis.connection import AbstractConnection

from rushhour.core import keys
from rushhour.core.clock import ClockStatus
from rushhour.core.errors import KafkaFailure, RedisFailure, StackError
from rushhour.core.kafka_cluster import KafkaCluster
from rushhour.core.run import RunInfo
from rushhour.core.topics import ALERTS, HOURLY_RIDES, PREDICTIONS, TOPICS, TRIPS
from rushhour.core.version import VERSION
from rushhour.runtime import kafka_topics
from rushhour.runtime.batch_producer import BatchProducer
from rushhour.runtime.kafka_topics import end_offsets
from rushhour.runtime.redis_client import connect
from rushhour.simulator.stack import setup
from rushhour.simulator.stack.broker import CLIENT_CONF
from rushhour.simulator.stack.ports import free_ports
from rushhour.simulator.stack.redis_server import EmbeddedRedis
from rushhour.simulator.stack.setup import prepare
from rushhour.simulator.stack.stack import open_stack
from rushhour.storage.clock import (
    first_open_hour,
    is_finished,
    last_hour_closed,
    load_status,
    save_status,
)
from rushhour.storage.runs import find_run, join_run, load_offsets, load_run, save_run
from tests.fixtures.settings import SettingsFactory

START = 1_727_910_000_000  # 2024-10-02 23:00
NEW = RunInfo("new", "green", "2024-10", "a.parquet", "/a.parquet", START, START + 3_600_000)
OLD = replace(NEW, run_id="old")
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
    producer.send(TRIPS, 2, [(None, b"old")] * 5)
    producer.send(PREDICTIONS, 0, [(None, b"old")])
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
    monkeypatch.setattr(kafka_topics, "_METADATA_TIMEOUT_S", 0.5)
    for key in OF_RUSHHOUR:
        client.set(key, "old")

    with pytest.raises(KafkaFailure, match=r"^Kafka at 127\.0\.0\.1:"):
        prepare(client, KafkaCluster(f"127.0.0.1:{free_ports(1)[0]}"), 4, NEW, create=create)

    assert set(client.scan_iter()) == set(OF_RUSHHOUR)


# Killed at any moment, and twice at the same time.


@pytest.fixture
def no_kafka(monkeypatch: pytest.MonkeyPatch) -> KafkaCluster:
    """Four empty partitions of each topic, without a broker."""
    four: dict[str, dict[int, int]] = {name: dict.fromkeys(range(4), 0) for name in TOPICS}
    monkeypatch.setattr("rushhour.simulator.stack.setup.end_offsets", lambda *_: four)
    return KafkaCluster("127.0.0.1:1")


def finished_run(client: redis.Redis) -> dict[str, bytes | None]:
    """Write a run whose last hour is closed, over several chunks of a scan; return its keys."""
    client.flushall()
    save_run(client, OLD)
    client.hset(keys.OFFSETS, "trips:0", 7)
    client.xadd(keys.CITY_HOURLY, {"rides": 1}, id=f"{START}-0")
    for hour in range(24):
        client.hset(keys.rides(f"2024-10-02T{hour:02d}"), "132", hour)
    return dump(client)


def dump(client: redis.Redis) -> dict[str, bytes | None]:
    return {str(key): client.dump(key) for key in client.scan_iter()}


class Killed(BaseException):
    """Ends a process where a SIGKILL would."""


def test_a_prepare_that_is_killed_leaves_the_old_run_whole_or_no_run(
    client: redis.Redis,
    redis_server: EmbeddedRedis,
    no_kafka: KafkaCluster,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(setup, "_SCAN_COUNT", 10)
    send = AbstractConnection.send_packed_command
    found = []
    for step in count():
        before = finished_run(client)
        killed = connect(redis_server.url)
        left = step

        def send_or_die(self: AbstractConnection, *args: Any, **options: Any) -> None:
            nonlocal left
            left -= 1
            if left == -1:
                raise Killed
            if left < -1:  # it cannot clean up either
                raise redis.ConnectionError
            send(self, *args, **options)  # type: ignore[no-untyped-call]

        with monkeypatch.context() as patch:
            patch.setattr(AbstractConnection, "send_packed_command", send_or_die)
            try:
                prepare(killed, no_kafka, 4, NEW, create=False)
            except Killed:
                pass
            else:
                break

        run = find_run(client)
        found.append(run)
        if run is None:
            # Whoever reads is told, and the next prepare needs no permission.
            with pytest.raises(RedisFailure, match="holds no run yet: `rushhour prepare` is at"):
                load_run(client)
            prepare(client, no_kafka, 4, NEW, create=False, over=False)
            assert load_run(client) == NEW
            assert set(client.scan_iter()) == {keys.RUN, keys.OFFSETS}
        elif run == OLD:
            assert dump(client) == before
        else:
            assert set(client.scan_iter()) == {keys.RUN, keys.OFFSETS}
            assert len(load_offsets(client, TRIPS)) == 4

    assert len(found) > 10
    # First the old run, then none, at last the new one.
    kinds = [run.run_id if run else "none" for run in found]
    assert list(dict.fromkeys(kinds)) in (["old", "none"], ["old", "none", "new"])


@pytest.mark.parametrize("failpoint", ["prepare.clear", "prepare.write"])
def test_of_two_prepares_the_first_stops_and_the_second_one_wins(
    client: redis.Redis,
    no_kafka: KafkaCluster,
    monkeypatch: pytest.MonkeyPatch,
    failpoint: str,
) -> None:
    finished_run(client)
    second = replace(NEW, run_id="second")

    def reach(name: str) -> None:
        if name == failpoint:
            monkeypatch.setattr(setup, "reach", lambda _: None)
            prepare(client, no_kafka, 4, second, create=False)

    monkeypatch.setattr(setup, "reach", reach)
    with pytest.raises(StackError, match=r"prepares a run on this Redis: this one has stopped$"):
        prepare(client, no_kafka, 4, NEW, create=False)

    assert load_run(client) == second
    assert len(load_offsets(client, TRIPS)) == 4
    assert set(client.scan_iter()) == {keys.RUN, keys.OFFSETS}


def test_a_run_that_another_prepare_has_written_meanwhile_is_kept(
    client: redis.Redis, no_kafka: KafkaCluster
) -> None:
    before = finished_run(client)
    with pytest.raises(StackError, match="this one has stopped"):
        prepare(client, no_kafka, 4, NEW, create=False, over=False)
    assert dump(client) == before


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


def test_a_connection_that_is_lost_is_no_other_prepare(
    client: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The client raises a `WatchError` for it, as for a key that has changed."""

    def lose(self: Pipeline, *_: object) -> None:
        raise redis.ConnectionError("Connection closed by server.")

    monkeypatch.setattr(Pipeline, "_execute_transaction", lose)
    with pytest.raises(redis.ConnectionError, match="closed by server"):
        setup.change(client, keys.RUN, lambda _: True, lambda pipe: pipe.delete(keys.RUN))


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


def test_the_embedded_broker_is_reached_without_the_properties_of_another_kafka(
    settings: SettingsFactory, redis_server: EmbeddedRedis
) -> None:
    ours = settings(redis=redis_server.url, kafka_conf={"security.protocol": "SASL_SSL"})
    with open_stack(ours, ours.state_dir) as stack:
        assert stack.kafka.conf == CLIENT_CONF
        assert end_offsets(stack.kafka, [TRIPS])[TRIPS] == dict.fromkeys(range(4), 0)
        assert stack.settings.kafka_conf == CLIENT_CONF
