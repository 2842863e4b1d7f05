"""`rushhour skip` and `rushhour dead-letters`: a record that stops a process, and where it went."""

import json
from collections.abc import Callable

import pytest
import redis

from rushhour.core import keys
from rushhour.core.kafka_cluster import KafkaCluster
from rushhour.core.topics import DEAD_LETTERS, TRIPS
from rushhour.runtime.batch_producer import BatchProducer
from rushhour.runtime.dead_letters import DeadLetters
from rushhour.simulator.stack.redis_server import EmbeddedRedis
from rushhour.storage.runs import load_run
from rushhour.storage.skips import RecordPosition, load_skips
from tests.fixtures.closed_run import HOUR, start_run
from tests.fixtures.command import Cli, Finished, Rushhour
from tests.fixtures.kafka_messages import read_messages

RECORDS = [(b"132", b"\xff\n" + b"x" * 200), (None, b'{"type":"trip"}'), (None, None)]


Skip = Callable[..., Finished]


@pytest.fixture
def skip(cli: Cli, rushhour: Rushhour, client: redis.Redis, redis_server: EmbeddedRedis) -> Skip:
    """A function that runs `rushhour skip` on a run that has read `predictions` up to offset 5."""
    start_run(client)
    for topic, offset in (("trips", 2), ("hourly_rides", 5), ("predictions", 5), ("alerts", 5)):
        client.hset(keys.OFFSETS, keys.offset_field(topic, 0), str(offset))

    def call(*args: object, flags: tuple[str, ...] = ()) -> Finished:
        return cli(rushhour, "skip", "--redis", redis_server.url, *flags, "--", *args)

    return call


def test_a_record_is_passed_over_from_the_next_start_on(skip: Skip, client: redis.Redis) -> None:
    shown = skip("predictions", 0, 5)

    assert (shown.code, shown.stderr) == (0, "")
    assert "topic 'predictions' partition 0 offset 5 will be passed over" in shown.words
    assert "restart the consumer" in shown.words
    assert list(load_skips(client)) == [RecordPosition("predictions", 0, 5)]

    document = json.loads(skip("trips", 0, 17, flags=("--json",)).stdout)
    assert document["restart"] == "dataflow"
    assert document["since"] == load_skips(client)[RecordPosition("trips", 0, 17)]
    again = json.loads(skip("trips", 0, 17, flags=("--json",)).stdout)
    assert again == document
    assert len(load_skips(client)) == 2


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (("tripps", 0, 1), "topic 'tripps' is not read: use trips, hourly_rides, predictions, "),
        (("dead_letters", 0, 1), "topic 'dead_letters' is not read"),
        (("trips", -1, 1), "partition -1 is negative"),
        (("trips", 0, -7), "offset -7 is negative"),
        (("trips", 3, 1), "topic 'trips' has no partition 3: it has 0 to 0"),
        (("predictions", 0, 4), "offset 4 has been read: the run reads that partition from offset"),
    ],
)
def test_a_record_that_nothing_will_read_is_refused(
    skip: Skip, client: redis.Redis, args: tuple[object, ...], message: str
) -> None:
    ended = skip(*args)

    assert ended.code == 2
    assert message in ended.one_line()
    assert load_skips(client) == {}


def test_nothing_is_skipped_in_a_finished_run(skip: Skip, client: redis.Redis) -> None:
    last = load_run(client).end_ts - HOUR
    client.xadd(keys.CITY_HOURLY, {"hour": "the last"}, id=f"{last}-0")

    ended = skip("predictions", 0, 5)

    assert ended.code == 5
    assert "is finished: nothing reads topic 'predictions'" in ended.one_line()


def test_without_a_live_run_nothing_is_skipped(cli: Cli, rushhour: Rushhour) -> None:
    ended = cli(rushhour, "skip", "trips", 0, 1)

    assert ended.code == 5
    assert "no run is live" in ended.one_line()


@pytest.fixture
def show(
    cli: Cli, rushhour: Rushhour, client: redis.Redis, redis_server: EmbeddedRedis, broker: str
) -> Callable[..., Finished]:
    """A function that runs `rushhour dead-letters` on a run that rejected the `RECORDS`."""
    run = start_run(client)
    cluster = KafkaCluster(broker)
    for partition in range(4):
        client.hset(keys.OFFSETS, keys.offset_field(DEAD_LETTERS, partition), "0")
    producer = BatchProducer(cluster)
    producer.send(TRIPS, 1, RECORDS)
    producer.flush()
    records = read_messages(cluster, {TRIPS: {1: 0}}, len(RECORDS))
    for run_id in (run.run_id, "another run", run.run_id):  # the second time after a restart
        letters = DeadLetters(cluster, 4, run_id, "dataflow-0")
        for record in records:
            letters.add(record, "undecodable", "JSON is malformed")
        letters.close()
    kafka = ("--redis", redis_server.url, "--kafka", broker)
    return lambda *args: cli(rushhour, "dead-letters", *kafka, *args)


def test_rejected_records_are_shown_once_each(show: Callable[..., Finished]) -> None:
    shown = show()

    assert (shown.code, shown.stderr) == (0, "")
    rows = [line.split() for line in shown.stdout.splitlines() if line.startswith("trips ")]
    assert [row[:4] for row in rows] == [["trips", "1", str(i), "undecodable"] for i in (2, 1, 0)]
    assert "132" in rows[2]
    assert "\\xff\\n" + "x" * 20 in shown.stdout
    assert "x" * 100 not in shown.stdout
    assert "3 of 3 rejected records" in shown.words


def test_rejected_records_as_json_are_whole(show: Callable[..., Finished]) -> None:
    shown = show("--json", "--limit", "3")

    documents = [json.loads(line) for line in shown.stdout.splitlines()]
    assert [each["offset"] for each in documents] == [2, 1, 0]
    assert documents[0]["key"] is documents[0]["value"] is None
    assert documents[2]["value"] == "\\xff\n" + "x" * 200
    assert {each["detail"] for each in documents} == {"JSON is malformed"}
    assert {each["process"] for each in documents} == {"dataflow-0"}
    assert len(show("--json", "--limit", "1").stdout.splitlines()) == 1


def test_without_rejected_records_there_is_nothing_to_show(
    cli: Cli, rushhour: Rushhour, client: redis.Redis, redis_server: EmbeddedRedis, broker: str
) -> None:
    start_run(client)
    client.hset(keys.OFFSETS, keys.offset_field(DEAD_LETTERS, 0), "0")

    shown = cli(rushhour, "dead-letters", "--redis", redis_server.url, "--kafka", broker)
    unknown = cli(rushhour, "dead-letters", "--redis", redis_server.url)
    refused = cli(rushhour, "dead-letters", "--redis", redis_server.url, "--limit", "0")

    assert (shown.code, shown.stderr) == (0, "")
    assert "no records were rejected" in shown.stdout
    assert unknown.code == 2
    assert "name the Kafka of the run with --kafka" in unknown.one_line()
    assert (refused.code, "show at least 1" in refused.one_line()) == (2, True)
