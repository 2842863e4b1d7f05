"""`rushhour up` that cannot start: one line on stderr, an exit code, and no process left."""

import os
import time
from pathlib import Path

import pytest
import redis

from rushhour.core.errors import DataError, StackError
from rushhour.core.run import RunInfo
from rushhour.runtime import kafka_topics
from rushhour.simulator.commands import up
from rushhour.simulator.stack.redis_server import EmbeddedRedis
from rushhour.simulator.stack.stack import Stack
from rushhour.storage.runs import load_run, save_run
from tests.fixtures.command import Cli, Rushhour
from tests.fixtures.finished_run import up_args
from tests.fixtures.run_views import RUN


@pytest.fixture(scope="module")
def not_parquet(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("trips") / "notes.parquet"
    path.write_text("not parquet")
    return path


def test_a_file_that_is_no_parquet_is_an_error_about_data(
    cli: Cli, rushhour: Rushhour, not_parquet: Path
) -> None:
    ended = cli(rushhour, *up_args(not_parquet, "max"))
    assert f"{not_parquet}: not a Parquet file" in ended.one_line()
    assert ended.code == 3


def test_a_green_file_replayed_as_yellow_is_an_error_about_data(
    cli: Cli, rushhour: Rushhour, two_days: Path
) -> None:
    ended = cli(rushhour, "up", "--dataset", "yellow", "--data", two_days)
    assert f"{two_days}: this is a green file: pass --dataset green" in ended.one_line()
    assert ended.code == 3


def test_a_state_directory_that_cannot_be_made_is_an_error(
    cli: Cli, rushhour: Rushhour, two_days: Path, not_parquet: Path
) -> None:
    ended = cli(rushhour, *up_args(two_days, "max", "--state-dir", not_parquet))
    assert f"state directory {not_parquet}" in ended.one_line()
    assert ended.code == 6


def test_a_redis_that_cannot_be_reached_ends_the_run_at_once(
    cli: Cli, rushhour: Rushhour, two_days: Path
) -> None:
    ended = cli(rushhour, *up_args(two_days, "max", "--redis", "redis://127.0.0.1:1"))
    assert "Redis at redis://127.0.0.1:1: " in ended.one_line()
    assert ended.code == 5


def test_a_kafka_that_cannot_be_reached_ends_the_run_in_bounded_time(
    cli: Cli, rushhour: Rushhour, two_days: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kafka_topics, "_METADATA_TIMEOUT_S", 0.5)  # 10 s are the same, but longer
    started = time.monotonic()
    ended = cli(rushhour, *up_args(two_days, "max", "--kafka", "127.0.0.1:1", "-q"))
    assert time.monotonic() - started < 10.0
    assert ended.code == 4
    assert ended.one_line().startswith("rushhour: Kafka at 127.0.0.1:1: ")


def test_a_second_run_does_not_share_the_state_directory_while_the_first_one_downloads(
    cli: Cli, rushhour: Rushhour, two_days: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    messages = []

    def download(*_: object) -> Path:
        ended = cli(rushhour, *up_args(two_days, "max"))
        messages.append((ended.code, ended.one_line()))
        raise DataError("the download failed")

    monkeypatch.setattr(up, "find_trips", download)
    cli(rushhour, *up_args(two_days, "max"))

    ((code, message),) = messages
    assert code == 6
    assert f"a run is live already (process {os.getpid()}, " in message


def test_another_run_on_a_given_redis_is_deleted_only_with_new(
    cli: Cli,
    rushhour: Rushhour,
    two_days: Path,
    client: redis.Redis,
    redis_server: EmbeddedRedis,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    runs: list[RunInfo] = []

    def start(_: object, run: RunInfo, **_options: object) -> None:
        runs.append(run)
        raise StackError("it would start")

    monkeypatch.setattr(Stack, "start_pipeline", start)
    save_run(client, RUN)
    args = up_args(two_days, "max", "--redis", redis_server.url, "-q")

    ended = cli(rushhour, *args)

    assert ended.code == 6
    assert "to delete it, start over with `rushhour up --new`" in ended.one_line()
    assert load_run(client) == RUN

    assert cli(rushhour, *args, "--new").one_line() == "rushhour: it would start"
    save_run(client, runs[0])
    # The same run: its results are the same.
    assert cli(rushhour, *args).one_line() == "rushhour: it would start"
