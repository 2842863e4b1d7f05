"""The `rushhour` command from the outside: what it says, its exit codes, what it leaves running."""

import csv
import os
import random
import re
import shutil
import signal
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import redis

from dataflows.forecasting.forecasters import model_names
from rushhour.core.errors import VerificationError
from rushhour.core.models import SERVED
from rushhour.runtime import kafka
from rushhour.runtime.redis_client import connect
from rushhour.simulator.evaluation.verify import verify
from rushhour.simulator.stack.redis_server import ANY_PORT, DUMP, EmbeddedRedis
from rushhour.storage.runs import load_run
from tests.fixtures.command import Cli, Finished, Running, Rushhour
from tests.fixtures.trips import TripRow, TripWriter
from tests.fixtures.waiting import WaitUntil

pytestmark = pytest.mark.integration

needs_proc = pytest.mark.skipif(sys.platform != "linux", reason="looks for processes in /proc")
SLOW = "2h/s"
PARTS = {"producers", "dataflows", "consumers", "rushhour.simulator.stack.broker", "redis-server"}


@pytest.fixture(scope="module")
def file(write_trips: TripWriter, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two days of a few trips, in a file that has the name of the official one."""
    draw = random.Random(7)
    rows: list[TripRow] = [
        (f"2024-10-0{day} {hour:02}:{draw.randrange(60):02}:{draw.randrange(60):02}", zone)
        for day in (1, 2)
        for hour in range(24)
        for zone in (1, 43, 132, 265)
        for _ in range(draw.randrange(9))
    ]
    rows += [(None, 132), ("2024-09-30 23:59:59", 132), ("2024-10-01 10:00:00", 999)]
    directory = tmp_path_factory.mktemp("trips")
    return write_trips(directory / "green_tripdata_2024-10.parquet", rows)


def up_args(file: Path, speed: str, *more: object) -> list[object]:
    span = ["--from", "2024-10-01", "--until", "2024-10-02"]
    return ["up", "--dataset", "green", "--data", file, *span, "--speed", speed, *more]


def hours_closed(client: redis.Redis) -> int:
    return int(str(client.hget("quality", "hours_closed") or 0))


def begin(
    rushhour: Rushhour, wait_until: WaitUntil, file: Path, *more: object
) -> tuple[Running, redis.Redis]:
    """Start a slow run, and return it once its first hour is closed."""
    running = rushhour.start(*up_args(file, SLOW, *more))

    def first_hour() -> redis.Redis | None:
        assert running.process.poll() is None, running.err.read_text()
        client = rushhour.client()
        return client if client is not None and hours_closed(client) >= 1 else None

    return running, wait_until(first_hour, "the first hour is closed")


@contextmanager
def saved(rushhour: Rushhour, directory: Path) -> Iterator[tuple[str, redis.Redis]]:
    """Serve a copy of the saved run."""
    shutil.copy(rushhour.state_dir / DUMP, directory)
    server = EmbeddedRedis(directory, ANY_PORT, saved=True)
    try:
        yield server.url, connect(server.url)
    finally:
        server.stop(save=False)


# A run from beginning to end, and what can be asked of it afterwards.


@pytest.fixture(scope="module")
def finished(module_rushhour: Rushhour, file: Path) -> Finished:
    return module_rushhour(*up_args(file, "max"))


@pytest.fixture
def after_run(module_rushhour: Rushhour, finished: Finished) -> Rushhour:
    """The command, after a run to the end."""
    assert finished.code == 0, finished.stderr
    return module_rushhour


def test_up_replays_reports_and_exits(finished: Finished) -> None:
    assert finished.code == 0
    assert finished.stderr == ""
    squeezed = finished.words
    assert "replaying green 2024-10, green_tripdata_2024-10.parquet" in squeezed
    assert "hours closed 48 of 48" in squeezed
    assert "1.0 (12,720 of 12,720 pairs scored)" in squeezed
    assert "1 null time, 1 outside month, 1 unknown zone" in squeezed
    for word in (*model_names(), "WAPE", "coverage", "peak memory"):
        assert word in squeezed
    for name in ("producer", "dataflow", "consumer", "broker", "redis"):
        assert name in squeezed


@needs_proc
def test_up_leaves_no_process_behind(after_run: Rushhour) -> None:
    assert after_run.processes() == {}


def test_status_shows_the_saved_run(after_run: Rushhour) -> None:
    shown = after_run("status")

    assert (shown.code, shown.stderr) == (0, "")
    squeezed = shown.words
    assert "green 2024-10, green_tripdata_2024-10.parquet" in squeezed
    assert "finished at max" in squeezed
    assert "hours closed 48 of 48" in squeezed


def test_zone_shows_one_zone_of_the_saved_run(cli: Cli, after_run: Rushhour) -> None:
    shown = cli(after_run, "zone", 132)

    assert (shown.code, shown.stderr) == (0, "")
    for text in ("zone 132", "JFK Airport", "Queens", "mae_24h", "2024-10-02 23:00"):
        assert text in shown.stdout


def test_zone_and_status_show_intervals_and_what_they_cover(cli: Cli, after_run: Rushhour) -> None:
    zone = cli(after_run, "zone", 132).stdout
    for field in ("lower", "upper", "next_lower", "next_upper", "coverage_168h"):
        assert f" {field} " in zone
    assert re.search(rf"{SERVED} .* \d+\.\d %", cli(after_run, "status").stdout)


def test_models_shows_every_model_of_the_run(cli: Cli, after_run: Rushhour) -> None:
    shown = cli(after_run, "models")
    assert (shown.code, shown.stderr) == (0, "")
    assert f"{SERVED} (served)" in shown.stdout
    assert all(f" {model} " in shown.stdout for model in model_names())
    assert "6,360 zone-hours in 24 h, 12,720 in 168 h" in shown.words
    assert "green 2024-10, green_tripdata_2024-10.parquet" in shown.words


def test_compare_writes_the_whole_table_as_csv(
    cli: Cli, after_run: Rushhour, tmp_path: Path
) -> None:
    target = tmp_path / "comparison.csv"
    shown = cli(
        after_run, "compare", "--from", "2024-10-01 22:00", "--until", "2024-10-02", "--csv", target
    )

    assert (shown.code, shown.stderr) == (0, "")
    assert "6,890 rows" in shown.stdout
    with target.open(newline="") as lines:
        table = list(csv.DictReader(lines))
    assert len(table) == 26 * 265
    assert list(table[0]) == [
        "pickup_hour", "pickup_location_id", "predicted_demand", "rides", "prediction_error",
        "lower", "upper",
    ]  # fmt: skip
    assert {row["pickup_hour"] for row in table} == {
        f"2024-10-0{1 + hour // 24} {hour % 24:02}:00:00+00:00" for hour in range(22, 48)
    }
    for row in table:
        error = float(row["predicted_demand"]) - int(row["rides"])
        assert float(row["prediction_error"]) == pytest.approx(error, abs=1e-9)


def test_verify_finds_a_run_to_be_what_its_file_says(cli: Cli, after_run: Rushhour) -> None:
    shown = cli(after_run, "verify")

    assert (shown.code, shown.stderr) == (0, "")
    lines = shown.stdout.splitlines()
    assert [line for line in lines if not line.startswith("ok ")] == []
    for name in ("rides equal a recount of the file", "last_hour equal an offline replay"):
        assert any(name in line for line in lines)


def test_a_finished_run_has_no_clock_to_command(cli: Cli, after_run: Rushhour) -> None:
    ended = cli(after_run, "pause")
    assert ended.code == 5
    assert ended.one_line().startswith("rushhour: no run is live")


@pytest.mark.parametrize(
    ("args", "code", "said"),
    [
        (["compare", "--from", "2024-10-02", "--until", "2024-10-01"], 2, "is after until"),
        (["compare", "--from", "yesterday"], 2, "'yesterday' is not an hour"),
        (["compare", "--csv", "/nonexistent/a.csv"], 2, "/nonexistent/a.csv: "),
        (["verify", "--data", "/nonexistent.parquet"], 3, "/nonexistent.parquet: no such file"),
        (["verify", "--data", __file__], 3, f"{__file__}: "),
    ],
    ids=["reversed", "no-hour", "csv-nowhere", "verify-missing-file", "verify-no-parquet"],
)
def test_a_mistake_about_a_saved_run_is_one_line(
    cli: Cli, after_run: Rushhour, args: list[str], code: int, said: str
) -> None:
    ended = cli(after_run, *args)
    assert said in ended.one_line()
    assert ended.code == code


# A run that was tampered with.


def planted_off_by_one_hour(client: redis.Redis) -> None:
    """Move every hour's rides to the hour before."""
    hours = sorted(client.scan_iter("rides:*"))
    for hour, following in pairwise(hours):
        client.delete(hour)
        client.rename(following, hour)
    client.copy(hours[-2], hours[-1])


def two_hours_swapped(client: redis.Redis) -> None:
    one, other = "rides:2024-10-01T08", "rides:2024-10-01T09"
    assert client.hgetall(one) != client.hgetall(other)
    for source, target in ((one, "aside"), (other, one), ("aside", other)):
        client.rename(source, target)


def one_ride_more(client: redis.Redis) -> None:
    client.hincrby("rides:2024-10-02T23", "265", 1)


def the_last_digit_of_a_prediction(client: redis.Redis) -> None:
    key = "predictions:2024-10-02T12"
    changed = round(float(str(client.hget(key, "132"))) + 0.0001, 4)
    client.hset(key, "132", str(changed))


def a_baseline_one_hour_late(client: redis.Redis) -> None:
    client.rename("predictions:last_hour:2024-10-02T12", "predictions:last_hour:2024-10-02T13")


def a_prediction_missing(client: redis.Redis) -> None:
    client.hdel("predictions:2024-10-02T12", "7")


def an_hour_missing(client: redis.Redis) -> None:
    client.delete("rides:2024-10-02T00")


def the_lower_end_of_an_interval(client: redis.Redis) -> None:
    client.hset("lower:2024-10-02T12", "132", "0.0001")


def the_upper_end_of_an_interval(client: redis.Redis) -> None:
    client.hset("upper:2024-10-02T12", "265", "999.0")


ALERT_STREAM = "the stream of alerts has each alert once"


def an_alert_of_an_hour(client: redis.Redis) -> None:
    client.hset("alerts:2024-10-02T12", "132", "0.5")


def an_alert(hour: str, zone: int, direction: str, change: str) -> dict[Any, Any]:
    return {"hour": hour, "zone": zone, "direction": direction, "relative_change": change}


def an_alert_too_many(client: redis.Redis) -> None:
    client.xadd("alerts", an_alert("2024-10-02T12", 132, "above", "0.5"))


def an_alert_that_says_the_opposite(client: redis.Redis) -> None:
    client.xadd("alerts", an_alert("2024-10-02T12", 132, "below", "0.5"))


def an_alert_twice(client: redis.Redis) -> None:
    for _ in range(2):
        an_alert_too_many(client)


def a_claim_of_less_overlap(client: redis.Redis) -> None:
    client.hset("quality", "overlap", "0.9999")


@pytest.mark.parametrize(
    ("tamper", "failing"),
    [
        (planted_off_by_one_hour, {"rides equal a recount of the file"}),
        (two_hours_swapped, {"rides equal a recount of the file"}),
        (one_ride_more, {"rides equal a recount of the file"}),
        (
            the_last_digit_of_a_prediction,
            {f"predictions of {SERVED} equal an offline replay"},
        ),
        (a_baseline_one_hour_late, {"predictions of last_hour equal an offline replay"}),
        (
            a_prediction_missing,
            {
                f"predictions of {SERVED} equal an offline replay",
                "overlap is 1",
            },
        ),
        (
            an_hour_missing,
            {
                "every zone and closed hour has rides",
                "rides equal a recount of the file",
                "overlap is 1",
            },
        ),
        (the_lower_end_of_an_interval, {"lower ends of intervals equal an offline replay"}),
        (the_upper_end_of_an_interval, {"upper ends of intervals equal an offline replay"}),
        (an_alert_of_an_hour, {"alerts equal an offline replay", ALERT_STREAM}),
        (an_alert_too_many, {ALERT_STREAM}),
        (an_alert_that_says_the_opposite, {ALERT_STREAM}),
        (an_alert_twice, {ALERT_STREAM}),
        (a_claim_of_less_overlap, {"overlap is 1"}),
    ],
)
def test_what_is_wrong_with_a_run_is_found(
    after_run: Rushhour,
    file: Path,
    tmp_path_factory: pytest.TempPathFactory,
    tamper: Callable[[redis.Redis], None],
    failing: set[str],
) -> None:
    with saved(after_run, tmp_path_factory.mktemp("d")) as (_, client):
        tamper(client)
        checks = list(verify(client, load_run(client), file))
    assert {check.name for check in checks if not check.passed} == failing


@pytest.mark.parametrize(
    ("closed", "note"), [(30, "only these are compared"), (0, "there is nothing to compare yet")]
)
def test_verify_compares_the_closed_hours_of_an_unfinished_run(
    cli: Cli, after_run: Rushhour, tmp_path: Path, closed: int, note: str
) -> None:
    with saved(after_run, tmp_path) as (url, client):
        stop_after(client, closed)
        shown = cli(after_run, "verify", "--redis", url)
    assert (shown.code, shown.stderr) == (0, "")
    first, *others = shown.stdout.splitlines()
    count = f"{closed} of 48 hours are closed"
    assert first.split(maxsplit=1) == ["note", f"the run is unfinished: {count}: {note}"]
    assert [line for line in others if not line.startswith("ok ")] == []
    assert len(others) == (14 if closed else 0)


def test_verify_finds_what_is_wrong_with_an_unfinished_run(
    after_run: Rushhour, file: Path, tmp_path: Path
) -> None:
    with saved(after_run, tmp_path) as (_, client):
        stop_after(client, 38)
        client.hset("rides:2024-10-02T23", "265", 9)  # not closed, so not compared
        the_last_digit_of_a_prediction(client)
        checks = list(verify(client, load_run(client), file))
    failed = [check.name for check in checks if not check.passed]
    assert failed == [f"predictions of {SERVED} equal an offline replay"]


def stop_after(client: redis.Redis, hours: int) -> None:
    """Leave what a run has in Redis whose consumer stopped after so many hours."""
    entries: Any = client.xrange("city:hourly")
    client.xdel("city:hourly", *(entry_id for entry_id, _ in entries[hours:]))
    for _, fields in entries[hours + 1 :]:
        keys_of_hour = client.keys(f"*:{fields['hour']}")
        assert keys_of_hour
        client.delete(*keys_of_hour)
    following = entries[hours][1]["hour"]  # has a forecast, but no rides
    client.delete(*(f"{table}:{following}" for table in ("rides", "errors", "alerts")))


def test_verify_fails_for_a_planted_off_by_one_hour(
    after_run: Rushhour, tmp_path_factory: pytest.TempPathFactory
) -> None:
    with saved(after_run, tmp_path_factory.mktemp("d")) as (url, client):
        planted_off_by_one_hour(client)
        ended = after_run("verify", "--redis", url)

    assert ended.code == 7
    assert "rushhour: 1 checks failed" in ended.one_line()
    assert "FAIL rides equal a recount of the file" in ended.stdout


def test_models_that_are_not_here_cannot_be_verified(
    cli: Cli, after_run: Rushhour, file: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    with saved(after_run, tmp_path_factory.mktemp("d")) as (url, client):
        client.hset("sim:run", "models", f"{SERVED},of_long_ago")
        with pytest.raises(VerificationError, match="verify it with the rushhour that made it"):
            list(verify(client, load_run(client), file))
        ended = cli(after_run, "verify", "--redis", url)
        assert ended.code == 7
        assert f"the models of the run ({SERVED}, of_long_ago) are not those" in ended.one_line()


# Mistakes.


@pytest.mark.parametrize(
    ("args", "code", "said"),
    [
        (["up", "--dataset", "purple"], 2, "dataset 'purple'"),
        (["up", "--month", "2024-13"], 2, "month '2024-13' is not a month"),
        (["up", "--month", "2008-12"], 2, "TLC trip records begin in 2009-01"),
        (["up", "--speed", "fast"], 2, "speed 'fast' is not a speed"),
        (["up", "--from", "2024-10-05", "--until", "2024-10-01"], 2, "check --from, --until"),
        (["up", "--from", "2024-09-30"], 2, "within 2024-10"),
        (["up", "--surge", "132:x@2024-10-20"], 2, "surge '132:x@2024-10-20' is not a surge"),
        (["up", "--workers", "0"], 2, "workers '0'"),
        (["up", "--dataflows", "0"], 2, "dataflows '0'"),
        (["up", "--consumers", "65"], 2, "consumers '65'"),
        (["up", "--data", "/nonexistent.parquet"], 3, "/nonexistent.parquet: no such file"),
        (["up", "--data-dir", "/nonexistent"], 3, "/nonexistent: no such directory"),
        (["speed", "fast"], 2, "speed 'fast' is not a speed"),
        (["zone", "999"], 2, "zone 999 does not exist: zones are 1 to 265"),
        (["zone", "0"], 2, "zone 0 does not exist"),
        (["status"], 5, "no run found: start one with `rushhour up`"),
        (["zone", "132"], 5, "no run found"),
        (["zone", "266"], 2, "zone 266 does not exist: zones are 1 to 265"),
        (["compare"], 5, "no run found"),
        (["models"], 5, "no run found"),
        (["alerts"], 5, "no run found"),
        (["alerts", "--zone", "0"], 2, "zone 0 does not exist"),
        (["alerts", "--last", "0"], 2, "--last 0: show at least 1 alert"),
        (["verify"], 5, "no run found"),
        (["pause"], 5, "no run is live"),
        (["watch"], 5, "no run is live"),
        (["prepare"], 2, "the run needs RUSHHOUR_KAFKA and RUSHHOUR_REDIS"),
        (["resume"], 5, "no run is live"),
        (["speed", "1h/s"], 5, "no run is live"),
        (["status", "--redis", "redis://127.0.0.1:1"], 5, "Redis at redis://127.0.0.1:1: "),
        (["status", "--redis", "localhost"], 2, "redis 'localhost' is not a Redis URL"),
        (["status", "--redis", "http://foo"], 2, "redis 'http://foo' is not a Redis URL"),
        (["download", "--dataset", "green"], 3, "check the network"),
        (["backtest"], 3, "yellow_tripdata_2024-10.parquet is not on this machine"),
        (["backtest", "--data", "/nonexistent.parquet"], 3, "/nonexistent.parquet: no such file"),
        (["backtest", "--data", __file__], 3, f"{__file__}: not a Parquet file"),
        (["backtest", "--data-dir", "/nonexistent"], 3, "/nonexistent: no such directory"),
        (["backtest", "--synthetic", "--data", "a.parquet"], 2, "leave out --data"),
        (["backtest", "--synthetic", "--month", "2024-13"], 2, "'2024-13' is not a month"),
        (["backtest", "--synthetic", "--from", "2024-11-01"], 2, "check --from, --until"),
        (["backtest", "--synthetic", "--surge", "132:2"], 2, "surge '132:2' is not a surge"),
        (["backtest", "--zone", "132"], 2, "give --plot FILE.png too"),
        (["backtest", "--zone", "0", "--plot", "a.png"], 2, "zone 0 does not exist"),
        (["backtest", "--plot", "a.gif"], 2, "choose a --plot that ends in .png"),
        (["backtest", "--plot", "/nonexistent/a.png"], 2, "choose another --plot"),
        (["backtest", "--csv", "/nonexistent/a.csv"], 2, "choose another --csv"),
        (["backtest", "--csv", "/"], 2, "/: Is a directory: choose another --csv"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_a_mistake_is_one_line_and_an_exit_code(
    cli: Cli, rushhour: Rushhour, args: list[str], code: int, said: str
) -> None:
    ended = cli(rushhour, *args)
    line = ended.one_line()
    assert line.startswith("rushhour: ")
    assert said in line
    assert ended.code == code


@pytest.mark.parametrize("args", [["up", "--workers", "many"], ["zone", "JFK"], ["fly"], ["zone"]])
def test_arguments_of_the_wrong_shape_are_explained(
    cli: Cli, rushhour: Rushhour, args: list[str]
) -> None:
    ended = cli(rushhour, *args)
    assert ended.code == 2
    assert "Traceback" not in ended.stderr
    assert ended.stderr.startswith("Usage: ")


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
    cli: Cli, rushhour: Rushhour, file: Path
) -> None:
    ended = cli(rushhour, "up", "--dataset", "yellow", "--data", file)
    assert f"{file}: this is a green file: pass --dataset green" in ended.one_line()
    assert ended.code == 3


def test_a_state_directory_that_cannot_be_made_is_an_error(
    cli: Cli, rushhour: Rushhour, file: Path, not_parquet: Path
) -> None:
    ended = cli(rushhour, *up_args(file, "max", "--state-dir", not_parquet))
    assert f"state directory {not_parquet}" in ended.one_line()
    assert ended.code == 6


def test_a_redis_that_cannot_be_reached_ends_the_run_at_once(
    cli: Cli, rushhour: Rushhour, file: Path
) -> None:
    ended = cli(rushhour, *up_args(file, "max", "--redis", "redis://127.0.0.1:1"))
    assert "Redis at redis://127.0.0.1:1: " in ended.one_line()
    assert ended.code == 5


def test_a_kafka_that_cannot_be_reached_ends_the_run_in_bounded_time(
    cli: Cli, rushhour: Rushhour, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kafka, "_METADATA_TIMEOUT_S", 0.5)  # 10 s are the same, but longer
    started = time.monotonic()
    ended = cli(rushhour, *up_args(file, "max", "--kafka", "127.0.0.1:1"))
    assert time.monotonic() - started < 10.0
    assert ended.code == 4
    assert ended.one_line().startswith("rushhour: Kafka at 127.0.0.1:1: ")


def test_help_names_every_command(rushhour: Rushhour) -> None:
    ended = rushhour("--help")
    assert (ended.code, ended.stderr) == (0, "")
    for command in (
        "up", "prepare", "watch", "status", "zone", "compare", "speed", "pause",
        "resume", "download", "verify", "config", "models", "alerts", "backtest",
    ):  # fmt: skip
        assert f" {command} " in ended.stdout


def test_config_tells_where_each_value_comes_from(cli: Cli, rushhour: Rushhour) -> None:
    ended = cli(
        rushhour,
        "config",
        "--month",
        "2024-11",
        env={"RUSHHOUR_MONTH": "2024-09", "RUSHHOUR_SPEED": "30m/s", "RUSHHOUR_WORKERS": "2"},
    )
    assert (ended.code, ended.stderr) == (0, "")
    lines = [re.split(r"\s{2,}", line.strip()) for line in ended.stdout.splitlines()]
    rows = {cells[0]: cells[1:] for cells in lines}
    assert rows["month"] == ["2024-11", "flag", "RUSHHOUR_MONTH"]
    assert rows["speed"] == ["30m/s", "environment", "RUSHHOUR_SPEED"]
    assert rows["workers"] == ["2", "environment", "RUSHHOUR_WORKERS"]
    assert rows["dataset"] == ["yellow", "default", "RUSHHOUR_DATASET"]
    assert rows["kafka"] == ["-", "default", "RUSHHOUR_KAFKA"]
    assert rows["from_hour"] == ["-", "default", "RUSHHOUR_FROM"]


def test_a_bad_environment_variable_is_named(cli: Cli, rushhour: Rushhour) -> None:
    ended = cli(rushhour, "status", env={"RUSHHOUR_REDIS_PORT": "often"})
    assert "redis_port 'often'" in ended.one_line()
    assert ended.code == 2


# A run while it goes on.


def test_a_live_run_obeys_commands_and_keeps_its_state_directory_and_its_port(
    cli: Cli,
    rushhour: Rushhour,
    wait_until: WaitUntil,
    file: Path,
    redis_server: EmbeddedRedis,
) -> None:
    taken = redis_server.port or 0
    running, client = begin(rushhour, wait_until, file, "--redis-port", taken)

    def clock(field: str) -> str:
        return str(client.hget("sim:clock", field))

    port = client.connection_pool.connection_kwargs["port"]
    assert port > taken
    said = running.out.read_text()
    assert f"redis-cli -p {port}" in said
    assert f"port {taken} is taken" in said

    second = cli(rushhour, *up_args(file, "max"))
    assert second.code == 6
    assert f"a run is live already (process {running.process.pid}, " in second.one_line()

    paused = cli(rushhour, "pause")
    assert (paused.code, paused.stderr) == (0, "")
    assert paused.stdout.startswith(f"paused at {SLOW}, simulated 2024-10-01 ")
    stood_at = clock("now_ts")

    # Each command waits until the replay has looked up and said where it stands.
    for _ in range(3):
        faster = cli(rushhour, "speed", "4h/s")
        assert faster.stdout.startswith("paused at 4h/s, simulated 2024-10-01 ")
        assert (clock("state"), clock("speed"), clock("now_ts")) == ("paused", "4h/s", stood_at)
    assert "paused at 4h/s" in cli(rushhour, "status").stdout

    resumed = cli(rushhour, "resume")
    assert " at 4h/s, simulated 2024-10-01 " in resumed.stdout
    wait_until(lambda: int(clock("now_ts")) > int(stood_at), "the clock goes on")

    assert cli(rushhour, "speed", "max").code == 0
    ended = running.end()
    assert (ended.code, ended.stderr) == (0, "")
    assert "48 of 48" in ended.stdout
    assert cli(rushhour, "verify").code == 0  # commands change when things happen, never what


@needs_proc
@pytest.mark.parametrize("sign", [signal.SIGINT, signal.SIGTERM], ids=["ctrl-c", "sigterm"])
def test_a_run_that_is_stopped_ends_cleanly_and_can_still_be_read(
    cli: Cli,
    rushhour: Rushhour,
    wait_until: WaitUntil,
    file: Path,
    sign: signal.Signals,
) -> None:
    running, client = begin(rushhour, wait_until, file)
    closed = hours_closed(client)
    assert len(rushhour.processes()) == 1 + len(PARTS)

    running.process.send_signal(sign)
    ended = running.end()

    assert ended.code == 130
    assert "Traceback" not in ended.stderr + ended.stdout
    assert len(ended.stderr.splitlines()) <= 1
    assert rushhour.processes() == {}
    shown = cli(rushhour, "status")
    assert shown.code == 0
    squeezed = shown.words
    assert f"stopped at {SLOW}" in squeezed
    assert int(squeezed.split("hours closed ")[1].split()[0]) >= closed


@needs_proc
def test_a_run_that_is_killed_takes_its_processes_with_it(
    rushhour: Rushhour, wait_until: WaitUntil, file: Path
) -> None:
    running, _ = begin(rushhour, wait_until, file, "--dataflows", 3, "--consumers", 2)
    children = {
        pid: line for pid, line in rushhour.processes().items() if pid != running.process.pid
    }
    found = Counter(name for name in PARTS for line in children.values() if name in line)
    assert found == Counter(PARTS) + Counter({"dataflows": 2, "consumers": 1})

    running.process.kill()

    wait_until(lambda: not rushhour.processes(), "all processes are gone", 15.0)


@needs_proc
def test_a_part_that_dies_ends_the_run_and_is_named(
    rushhour: Rushhour, wait_until: WaitUntil, file: Path
) -> None:
    running, _ = begin(rushhour, wait_until, file)
    victim = next(pid for pid, line in rushhour.processes().items() if line.endswith("dataflows"))

    os.kill(victim, signal.SIGKILL)
    ended = running.end()

    line = ended.one_line()
    assert line.startswith("rushhour: the dataflow was killed by signal 9")
    assert str(rushhour.state_dir / "dataflow.log") in line
    assert ended.code == 6
    assert rushhour.processes() == {}


@needs_proc
def test_a_redis_that_goes_away_ends_the_run_with_one_line(
    rushhour: Rushhour,
    wait_until: WaitUntil,
    file: Path,
    free_port: Callable[[], int],
    tmp_path: Path,
) -> None:
    server = EmbeddedRedis(tmp_path, free_port())
    try:
        running, _ = begin(rushhour, wait_until, file, "--redis", server.url)
    finally:
        server.process.stop()
    ended = running.end()

    assert "Redis" in ended.one_line() or "redis" in ended.one_line()
    assert ended.code in {5, 6}
    assert rushhour.processes() == {}


# Without a trip file and without a network.


def test_without_a_network_a_synthetic_month_is_replayed_and_says_so(
    cli: Cli, rushhour: Rushhour, tmp_path_factory: pytest.TempPathFactory
) -> None:
    args: list[Any] = ["--dataset", "green", "--from", "2024-10-01", "--until", "2024-10-01"]
    ended = rushhour("up", *args, "--speed", "max")

    assert ended.code == 0, ended.stderr
    assert "cannot download" in ended.stdout
    assert "SYNTHETIC" in ended.stdout
    assert "24 of 24" in ended.stdout
    assert "SYNTHETIC" in cli(rushhour, "status").stdout
    with saved(rushhour, tmp_path_factory.mktemp("d")) as (_, client):
        run = load_run(client)
        assert (run.source, run.file, run.synthetic) == ("synthetic", "", True)
        assert all(check.passed for check in verify(client, run, None))
