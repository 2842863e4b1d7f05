"""`rushhour prepare`: sets up a new run, resumes an existing one, and spares a live one."""

import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import redis

from dataflows.forecasting.forecasters import model_names
from rushhour.core import keys
from rushhour.core.kafka_cluster import KafkaCluster
from rushhour.core.run import RunInfo
from rushhour.core.topics import TOPICS, TRIPS
from rushhour.runtime import lease
from rushhour.runtime.kafka import BatchProducer, end_offsets
from rushhour.runtime.redis_client import read_hash
from rushhour.simulator.stack.redis_server import EmbeddedRedis
from rushhour.storage.runs import load_offsets, load_run
from tests.fixtures.command import Cli, Finished, Rushhour
from tests.fixtures.trips import sha256_of, write_trips

START = 1_727_740_800_000  # 2024-10-01 00:00
HOUR = 3_600_000
HOURS = 48
Prepare = Callable[..., Finished]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return write_trips(tmp_path / "trips.parquet", [("2024-10-01 07:00:00", 132)])


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch, client: redis.Redis) -> None:
    """An empty Redis, and short leases."""
    monkeypatch.setattr(lease, "LEASE_S", 0.2)
    monkeypatch.setattr(lease, "_RENEW_S", 0.1)


@pytest.fixture
def prepare(
    cli: Cli, rushhour: Rushhour, module_broker: str, redis_server: EmbeddedRedis, file: Path
) -> Prepare:
    """A function that runs `rushhour prepare` for two days of a file."""
    servers = {"RUSHHOUR_KAFKA": module_broker, "RUSHHOUR_REDIS": redis_server.url}

    def call(*args: object, **env: str) -> Finished:
        span = {"RUSHHOUR_FROM": "2024-10-01", "RUSHHOUR_UNTIL": "2024-10-02"}
        data = {"RUSHHOUR_DATASET": "green", "RUSHHOUR_DATA": str(file)}
        return cli(rushhour, "prepare", *args, env=servers | span | data | env)

    return call


@pytest.fixture
def other_process() -> Iterator[subprocess.Popen[bytes]]:
    """A live process, which may hold a lease."""
    process = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    yield process
    process.kill()
    process.communicate()


def hold_lease(client: redis.Redis, process: subprocess.Popen[bytes]) -> str:
    """Give a process the lease of a consumer; return the owner."""
    owner = f"{socket.gethostname()}:{process.pid}"
    client.set(keys.lease("consumer-0"), owner)
    return owner


def run_id(client: redis.Redis) -> str:
    return load_run(client).run_id


def everything(client: redis.Redis) -> dict[str, object]:
    """All keys with their values: hashes, and the stream of closed hours."""
    return {
        key: client.xrange(key) if key == keys.CITY_HOURLY else read_hash(client, key)
        for key in client.scan_iter()
    }


def close_hours(client: redis.Redis, count: int) -> None:
    """Write what `prepare` reads of closed hours."""
    client.xadd(keys.CITY_HOURLY, {"rides": 1}, id=f"{START + (count - 1) * HOUR}-0")
    client.hset(keys.QUALITY, mapping={"hours_closed": count})


@pytest.mark.also_on_kafka
def test_a_new_run_is_described_and_starts_after_old_messages(
    prepare: Prepare, client: redis.Redis, module_broker: str, file: Path
) -> None:
    producer = BatchProducer(KafkaCluster(module_broker))
    producer.send(TRIPS, 1, [{"value": b"old"}] * 3)
    producer.flush()
    client.set(keys.CITY, "old")
    client.set("mine", "not of rushhour")

    done = prepare()

    assert (done.code, done.stderr) == (0, "")
    assert done.stdout.splitlines() == [
        "replaying  green 2024-10, trips.parquet",
        "hours      48 (2024-10-01 00:00 to 2024-10-03 00:00)",
        "pipeline   4 partitions, dataflow processes: 1, consumers: 1",
        "the run starts",
    ]
    run = load_run(client)
    assert run == RunInfo(
        run.run_id,
        "green",
        "2024-10",
        "trips.parquet",
        str(file),
        START,
        START + HOURS * HOUR,
        models=model_names(),
        rows=1,
        size=file.stat().st_size,
        sha256=sha256_of(file),
    )
    ends = end_offsets(KafkaCluster(module_broker), TOPICS)
    assert {topic: load_offsets(client, topic) for topic in TOPICS} == ends
    assert set(client.scan_iter()) == {keys.RUN, keys.OFFSETS, "mine"}


def test_the_numbers_of_processes_are_saved_with_the_run(
    prepare: Prepare, client: redis.Redis
) -> None:
    done = prepare("--consumers", 2, RUSHHOUR_DATAFLOWS="3")

    assert "pipeline 4 partitions, dataflow processes: 3, consumers: 2" in done.words
    run = load_run(client)
    assert (run.dataflows, run.consumers) == (3, 2)


@pytest.mark.parametrize(
    ("closed", "last_line"),
    [
        (0, "the run starts"),
        (7, "the run resumes: 7 hours are closed"),
        (48, "the run is finished; to start over: rushhour prepare --new"),
    ],
)
def test_an_existing_run_is_resumed(
    prepare: Prepare, client: redis.Redis, module_broker: str, closed: int, last_line: str
) -> None:
    prepare()
    if closed:
        close_hours(client, closed)
    before = everything(client)
    producer = BatchProducer(KafkaCluster(module_broker))
    producer.send(TRIPS, 0, [{"value": b"of this run"}])
    producer.flush()

    done = prepare()

    assert (done.code, done.stderr) == (0, "")
    assert done.stdout.splitlines()[-1] == last_line
    assert everything(client) == before


@pytest.mark.parametrize("closed", [0, 7, 48])
@pytest.mark.also_on_kafka
def test_new_starts_over(prepare: Prepare, client: redis.Redis, closed: int) -> None:
    prepare()
    first = run_id(client)
    if closed:
        close_hours(client, closed)

    done = prepare("--new")

    assert (done.code, done.stdout.splitlines()[-1]) == (0, "the run starts")
    assert run_id(client) != first
    assert set(client.scan_iter()) == {keys.RUN, keys.OFFSETS}


@pytest.mark.parametrize(
    "other",
    [{"RUSHHOUR_UNTIL": "2024-10-03"}, {"RUSHHOUR_FROM": "2024-10-01 01:00"}],
    ids=["until", "from"],
)
def test_other_hours_are_another_run(
    prepare: Prepare, client: redis.Redis, other: dict[str, str]
) -> None:
    prepare()
    first = run_id(client)
    close_hours(client, 7)

    done = prepare(**other)

    assert (done.code, done.stdout.splitlines()[-1]) == (0, "the run starts")
    assert run_id(client) != first
    assert set(client.scan_iter()) == {keys.RUN, keys.OFFSETS}


def test_another_surge_is_another_run_and_is_shown(prepare: Prepare, client: redis.Redis) -> None:
    surges = (None, "132:2.0@2024-10-02", "132:2.5@2024-10-02", "132:2.5@2024-10-02 01:00", None)
    ids = set()
    for surge in surges:
        flags = () if surge is None else ("--surge", surge)
        done = prepare(*flags)
        assert (done.code, done.stdout.splitlines()[-1]) == (0, "the run starts")
        assert ("what if" in done.stdout) == (surge is not None)
        ids.add(run_id(client))
        close_hours(client, 7)
    assert len(ids) == len(surges)


def test_the_same_surges_written_differently_are_the_same_run(
    prepare: Prepare, client: redis.Redis
) -> None:
    prepare("--surge", "132:2.0@2024-10-02,7:0.50@2024-10-01 05:00")
    first = run_id(client)
    close_hours(client, 7)

    done = prepare(RUSHHOUR_SURGE="7:0.5@2024-10-01T05, 132:2@2024-10-02 00:00")

    assert done.stdout.splitlines()[0] == (
        "replaying  green 2024-10, trips.parquet, "
        "what if: zone 7 x 0.5 from 2024-10-01 05:00, zone 132 x 2 from 2024-10-02 00:00"
    )
    assert done.stdout.splitlines()[-1] == "the run resumes: 7 hours are closed"
    assert run_id(client) == first


def test_another_file_is_another_run(prepare: Prepare, client: redis.Redis, file: Path) -> None:
    prepare()
    first = run_id(client)
    other = write_trips(file.with_name("other.parquet"), [("2024-10-01 08:00:00", 1)])

    done = prepare("--data", other)

    assert "other.parquet" in done.stdout
    assert run_id(client) != first


def test_a_resumed_run_may_have_other_numbers_of_processes(
    prepare: Prepare, client: redis.Redis
) -> None:
    prepare()
    first = run_id(client)
    close_hours(client, 7)

    done = prepare("--dataflows", 3, "--consumers", 2)

    assert "pipeline 4 partitions, dataflow processes: 3, consumers: 2" in done.words
    assert "the run resumes: 7 hours are closed" in done.words
    run = load_run(client)
    assert (run.run_id, run.dataflows, run.consumers) == (first, 3, 2)


# Runs that are live.


def test_a_live_run_is_unchanged(
    prepare: Prepare, client: redis.Redis, other_process: subprocess.Popen[bytes]
) -> None:
    prepare("--dataflows", 2)
    hold_lease(client, other_process)
    before = read_hash(client, keys.RUN)

    done = prepare("--consumers", 3)

    assert done.code == 0
    # The numbers of processes are unchanged: the live ones rely on them.
    assert "pipeline 4 partitions, dataflow processes: 2, consumers: 1" in done.words
    assert read_hash(client, keys.RUN) == before


@pytest.mark.parametrize("args", [["--new"], ["--until", "2024-10-03"]])
def test_a_live_run_is_not_started_over(
    prepare: Prepare, client: redis.Redis, other_process: subprocess.Popen[bytes], args: list[str]
) -> None:
    prepare()
    owner = hold_lease(client, other_process)
    before = {key: client.dump(key) for key in client.scan_iter()}

    done = prepare(*args)

    assert done.code == 6
    assert done.one_line() == (
        f"rushhour: a run is live on this Redis: consumer-0 ({owner}): stop it first"
    )
    assert {key: client.dump(key) for key in client.scan_iter()} == before


def test_killed_processes_do_not_keep_a_run_from_starting_over(
    prepare: Prepare, client: redis.Redis, other_process: subprocess.Popen[bytes]
) -> None:
    prepare()
    first = run_id(client)
    hold_lease(client, other_process)
    other_process.kill()
    other_process.wait()

    assert prepare("--new").code == 0
    assert run_id(client) != first


# Refusals.


@pytest.mark.also_on_kafka
def test_existing_topics_keep_their_partitions_with_a_note(
    prepare: Prepare, client: redis.Redis
) -> None:
    done = prepare(RUSHHOUR_PARTITIONS="12")

    assert done.code == 0
    assert done.stderr == "the topics exist with 4 partitions, and keep them\n"
    assert len(load_offsets(client, TRIPS)) == 4


@pytest.mark.parametrize(
    ("env", "code", "message"),
    [
        ({"RUSHHOUR_KAFKA": ""}, 2, "the run needs RUSHHOUR_KAFKA and RUSHHOUR_REDIS"),
        ({"RUSHHOUR_REDIS": ""}, 2, "the run needs RUSHHOUR_KAFKA and RUSHHOUR_REDIS"),
        ({"RUSHHOUR_REDIS": "redis://127.0.0.1:9"}, 5, "Redis at redis://127.0.0.1:9: "),
        ({"RUSHHOUR_DATA": "/nowhere.parquet"}, 3, "/nowhere.parquet"),
        ({"RUSHHOUR_CONSUMERS": "0"}, 2, "consumers '0'"),
    ],
)
def test_a_failure_is_one_line_and_changes_nothing(
    prepare: Prepare, client: redis.Redis, env: dict[str, str], code: int, message: str
) -> None:
    prepare()
    before = read_hash(client, keys.RUN)

    done = prepare("--new", **env)

    assert done.code == code
    assert message in done.one_line()
    assert read_hash(client, keys.RUN) == before


@pytest.mark.parametrize("command", [["status"], ["watch"], ["zone", "132"], ["verify"]])
def test_before_a_run_is_set_up_there_is_none_to_read(
    cli: Cli, rushhour: Rushhour, redis_server: EmbeddedRedis, command: list[str]
) -> None:
    done = cli(rushhour, *command, "--redis", redis_server.url)
    assert done.code == 5
    assert done.one_line().startswith("rushhour: this Redis holds no run")
