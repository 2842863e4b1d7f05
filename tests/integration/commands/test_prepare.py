"""`rushhour prepare`: sets up a new run, resumes an existing one, and spares a live one."""

import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import redis

from dataflows.forecasting.forecasters import model_names
from rushhour.core import keys
from rushhour.core.kafka_cluster import KafkaCluster
from rushhour.core.run import RunInfo
from rushhour.core.topics import ALERTS, PREDICTIONS, TOPICS, TRIPS
from rushhour.runtime import kafka_topics, lease
from rushhour.runtime.batch_producer import BatchProducer
from rushhour.runtime.kafka_topics import end_offsets
from rushhour.runtime.redis_client import read_hash
from rushhour.simulator import runs
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
    """An empty Redis, short leases, and no wait for a description that never comes."""
    monkeypatch.setattr(kafka_topics, "_DESCRIBE_TIMEOUT_S", 0.1)
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


def test_the_week_of_a_rebased_run_is_chosen_once(
    prepare: Prepare, client: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    def now_is(text: str) -> None:
        moment = datetime.fromisoformat(text).replace(tzinfo=UTC)
        monkeypatch.setattr(runs, "wall_ts", lambda: int(moment.timestamp() * 1000))

    now_is("2026-12-06 23:59")  # a Sunday
    first = prepare("--rebase", "now")
    assert first.code == 0, first.stderr
    assert "dates 113 weeks later" in first.stdout
    assert "hours 48 (2026-12-01 00:00 to 2026-12-03 00:00)" in first.words
    run = read_hash(client, keys.RUN)
    now_is("2026-12-21 10:00")

    again = prepare("--rebase", "now")

    assert again.code == 0, again.stderr
    assert read_hash(client, keys.RUN) == run
    for other in ([], ["--rebase", "2026-12-21"]):
        refused = prepare(*other)
        assert refused.code == 6
        assert "other: from, until, shift_weeks" in refused.one_line()
    assert read_hash(client, keys.RUN) == run
    assert prepare("--rebase", "now", "--new").code == 0
    assert read_hash(client, keys.RUN)["from"] == "2026-12-22T00"


@pytest.mark.parametrize("rebase", ["", "2026-11-30"])
def test_the_hour_to_start_at_is_one_of_the_file(prepare: Prepare, rebase: str) -> None:
    env = {"RUSHHOUR_REBASE": rebase} if rebase else {}
    assert prepare(RUSHHOUR_START_AT="2024-10-02 07:00", **env).code == 0
    refused = prepare(RUSHHOUR_START_AT="2024-10-03 07:00", **env)
    assert refused.code == 2
    assert "start-at 2024-10-03T07 is not an hour of the run" in refused.one_line()


def test_another_history_makes_another_run(prepare: Prepare, client: redis.Redis) -> None:
    assert "keeps the last 336 hours" in prepare(RUSHHOUR_KEEP="14d").words
    assert "other: keep_hours" in prepare().one_line()
    assert read_hash(client, keys.RUN)["keep_hours"] == "336"


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
    client.set(keys.lease("consumer-0"), f"{owner}:{lease._machine()}-0")
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
    producer.send(TRIPS, 1, [(None, b"old")] * 3)
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
    producer.send(TRIPS, 0, [(None, b"of this run")])
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
    ("other", "differs"),
    [
        ({"RUSHHOUR_UNTIL": "2024-10-03"}, "until"),
        ({"RUSHHOUR_FROM": "2024-10-01 01:00"}, "from"),
        ({"RUSHHOUR_SURGE": "132:2.0@2024-10-02"}, "surge"),
    ],
    ids=["until", "from", "surge"],
)
def test_another_run_replaces_the_one_in_redis_only_with_new(
    prepare: Prepare, client: redis.Redis, other: dict[str, str], differs: str
) -> None:
    prepare()
    first = run_id(client)
    close_hours(client, 48)  # a finished run is one to keep
    before = everything(client)

    done = prepare(**other)

    assert done.code == 6
    line = done.one_line()
    assert "another run (green 2024-10, trips.parquet, 2024-10-01 00:00 to 2024-10-03" in line
    assert f"other: {differs}): to delete it, start over with `rushhour prepare --new`" in line
    assert everything(client) == before

    done = prepare("--new", **other)

    assert (done.code, done.stdout.splitlines()[-1]) == (0, "the run starts")
    assert run_id(client) != first
    assert set(client.scan_iter()) == {keys.RUN, keys.OFFSETS}


def test_another_surge_is_another_run_and_is_shown(prepare: Prepare, client: redis.Redis) -> None:
    surges = (None, "132:2.0@2024-10-02", "132:2.5@2024-10-02", "132:2.5@2024-10-02 01:00", None)
    ids = set()
    for surge in surges:
        flags = () if surge is None else ("--surge", surge)
        done = prepare("--new", *flags)
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


def test_a_file_that_was_moved_is_the_same_run_and_its_new_place_is_saved(
    prepare: Prepare, client: redis.Redis, file: Path
) -> None:
    prepare()
    first = run_id(client)
    close_hours(client, 7)
    moved = file.rename(file.with_name("moved.parquet"))

    done = prepare("--data", moved)

    assert (done.code, done.stdout.splitlines()[-1]) == (0, "the run resumes: 7 hours are closed")
    run = load_run(client)
    assert (run.run_id, run.source, run.file) == (first, "moved.parquet", str(moved))


def test_a_file_with_another_content_is_another_run_under_the_same_path(
    prepare: Prepare, client: redis.Redis, file: Path
) -> None:
    prepare()
    before = everything(client)
    write_trips(file, [("2024-10-01 07:00:00", 132), ("2024-10-01 08:00:00", 1)])

    done = prepare()

    assert done.code == 6
    assert "other: rows, size, sha256): to delete it, start over with" in done.one_line()
    assert everything(client) == before


def test_a_run_of_another_version_is_not_resumed(prepare: Prepare, client: redis.Redis) -> None:
    prepare()
    client.hset(keys.RUN, "version", "0.0.1")

    done = prepare()

    assert done.code == 6
    assert "version 0.0.1) than this one" in done.one_line()
    assert "other: version): to delete it, start over with" in done.one_line()


def test_synthetic_trips_do_not_replace_a_run_of_real_ones(
    prepare: Prepare, client: redis.Redis
) -> None:
    prepare()
    close_hours(client, 48)
    before = everything(client)

    done = prepare(RUSHHOUR_DATA="")  # not on this machine, and there is no network

    assert done.code == 3
    assert done.one_line().startswith(
        "rushhour: no trip file, and synthetic trips do not replace a run of real ones "
        "(green 2024-10, trips.parquet, 2024-10-01 00:00 to 2024-10-03 00:00): cannot download"
    )
    assert everything(client) == before

    done = prepare("--new", RUSHHOUR_DATA="")

    assert done.code == 0
    assert load_run(client).synthetic
    assert "replaying a SYNTHETIC month" in done.stderr
    first = run_id(client)
    assert prepare(RUSHHOUR_DATA="").code == 0
    assert run_id(client) == first


@pytest.mark.parametrize(
    ("name", "warned"), [("RUSHHOUR_DATA", False), ("RUSHHOUR_DATA_DIR", True)]
)
def test_a_file_that_is_not_the_official_one_of_its_name_gets_a_warning(
    prepare: Prepare, file: Path, name: str, warned: bool
) -> None:
    """A flipped bit may leave a file that can be read."""
    official = file.rename(file.with_name("green_tripdata_2024-10.parquet"))
    place = official if name == "RUSHHOUR_DATA" else official.parent
    done = prepare(**{"RUSHHOUR_DATA": "", name: str(place)})
    assert done.code == 0
    assert done.stderr.startswith(f"{official} is not the official file (sha256 ") == warned


# Kafka lost what the run needs.


def test_an_empty_kafka_does_not_resume_a_run(
    prepare: Prepare, client: redis.Redis, broker: str
) -> None:
    prepare()
    close_hours(client, 7)
    start: dict[Any, Any] = dict.fromkeys(read_hash(client, keys.OFFSETS), 0)
    client.hset(keys.OFFSETS, mapping=start | {keys.offset_field(PREDICTIONS, 0): 530})
    before = everything(client)

    done = prepare(RUSHHOUR_KAFKA=broker)

    assert done.code == 4
    assert done.one_line() == (
        f"rushhour: Kafka at {broker}: topic 'predictions' holds the offsets 0 to 0 of partition "
        "0, and the run needs those from 530 on: restore its data, or start over with "
        "`rushhour prepare --new`"
    )
    assert everything(client) == before


@pytest.mark.parametrize(
    ("topic", "held", "message"),
    [
        (TRIPS, {}, "topic 'trips' does not exist any more: restore"),
        (ALERTS, dict.fromkeys(range(6), range(9)), "has 6 partitions, and had 4 when the run"),
        (TRIPS, dict.fromkeys(range(4), range(7, 9)), "holds the offsets 7 to 9 of partition 0"),
    ],
)
def test_a_topic_that_changed_does_not_resume_a_run(
    prepare: Prepare,
    client: redis.Redis,
    monkeypatch: pytest.MonkeyPatch,
    topic: str,
    held: dict[int, range],
    message: str,
) -> None:
    prepare()
    close_hours(client, 7)
    client.hset(keys.OFFSETS, mapping=dict.fromkeys(read_hash(client, keys.OFFSETS), 0))
    whole = {name: dict.fromkeys(range(4), range(9)) for name in TOPICS}
    monkeypatch.setattr(
        "rushhour.simulator.stack.resume.offset_ranges", lambda *_: whole | {topic: held}
    )

    done = prepare()
    assert done.code == 4
    assert message in done.one_line()

    close_hours(client, 48)  # a finished run needs nothing of Kafka any more
    assert "the run is finished" in prepare().stdout


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


@pytest.mark.parametrize("args", [["--new"], ["--new", "--until", "2024-10-03"]])
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
