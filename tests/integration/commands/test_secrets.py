"""The passwords of Redis and Kafka stand in no output: screens, JSON, errors, logs, files, `ps`."""

import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest
import typer

from rushhour.runtime.redis_client import connect
from rushhour.simulator.commands.cli import app
from rushhour.simulator.stack.ports import free_ports
from rushhour.simulator.stack.redis_server import ANY_PORT, EmbeddedRedis
from tests.fixtures.command import Cli, Rushhour
from tests.fixtures.settings import environment_without_settings
from tests.fixtures.waiting import wait_until

OF_REDIS = "s3cret/of#redis"
IN_URL = "s3cret%2Fof%23redis"
OF_KAFKA = "s3cret-of-kafka"
SPAN = ("--dataset", "green", "--until", "2024-10-01 02:00")
TABLES = Path("tables")  # is written: once, in the directory of the test
TABLE = Path("predictions.csv")  # in the directory of the test
# The arguments of each command that reads or controls a run.
COMMANDS: Mapping[str, tuple[object, ...]] = {
    "status": (),
    "models": (),
    "zone": ("132",),
    "compare": (),
    "alerts": (),
    "report": ("--html", "report.html"),
    "export": (TABLES,),
    "verify": (),
    "redis": (),
    "watch": (),
    "speed": ("max",),
    "pause": (),
    "resume": (),
    "step": (),
    "until": ("2024-10-01",),
    "seek": ("2024-10-01",),
    "stop": (),
    "now": (),
    "config": (),
    "skip": ("trips", "0", "0"),
    "dead-letters": (),
    "submit": (TABLE, "--model", "mine"),
    "doctor": (TABLE,),
    "ack": ("inference",),
    "manifest": (),
    "model": ("save", "october.model"),
}


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URL of a Redis that asks for a password, with the password."""
    server = EmbeddedRedis(tmp_path_factory.mktemp("redis"), ANY_PORT)
    connect(server.url).config_set("requirepass", OF_REDIS)
    yield server.url.replace("://", f"://:{IN_URL}@")
    server.stop(save=False)


@pytest.fixture
def env(url: str) -> dict[str, str]:
    return {"RUSHHOUR_REDIS": url, "RUSHHOUR_KAFKA_CONF__SSL_KEY_PASSWORD": OF_KAFKA}


def leaks(text: str) -> bool:
    """Whether a text holds one of the passwords, or a part of one."""
    return "s3cret" in text


def test_a_run_shows_no_password(
    rushhour: Rushhour,
    cli: Cli,
    two_days: Path,
    env: dict[str, str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    slow = ("up", *SPAN, "--data", two_days, "--speed", "1h/s", "--exit")
    running = rushhour.start(*slow, env=env)
    names = ("producer", "dataflow", "consumer", "broker")

    def command_lines() -> str:
        lines = " ".join(rushhour.processes().values())
        return lines if all(name in lines for name in names) else ""

    assert not leaks(wait_until(command_lines, "all processes run", 60.0))
    ended = running.end(120.0)
    assert ended.code == 0, ended.stderr
    assert not leaks(ended.stdout + ended.stderr)
    monkeypatch.chdir(tmp_path)
    TABLE.write_text("pickup_location_id,pickup_hour,predicted_demand\n132,2024-10-01T01:00,9\n")
    for name, args in COMMANDS.items():
        more = () if name == "verify" else ("--json",)
        for flags in {(), more}:
            shown = cli(rushhour, name, *args, *flags, env=env)
            assert not leaks(shown.stdout + shown.stderr), name
            assert "Traceback" not in shown.stderr
    without = cli(rushhour, "status")
    assert without.code == 5
    assert "pass its URL as RUSHHOUR_REDIS or --redis" in without.one_line()
    files = [path for path in rushhour.directory.rglob("*") if path.is_file()]
    assert {"session.json", "producer.log", "consumer.log"} <= {path.name for path in files}
    assert [path for path in files if leaks(path.read_bytes().decode("utf-8", "replace"))] == []


def test_every_command_is_tested_for_its_output() -> None:
    names = set(typer.main.get_group(app).commands)
    # `web` serves until Ctrl-C: test_the_pages_show_no_password
    assert names - {"up", "replay", "prepare", "backtest", "download", "web"} == COMMANDS.keys()


@pytest.mark.parametrize(
    "change",
    [
        lambda url: url.replace("%2Fof", "%2Fwrong"),
        lambda url: f"redis://:{IN_URL}@127.0.0.1:{free_ports(1)[0]}",
        lambda url: f"{url}?ssl_cert_reqs=none",
        lambda url: f"{url}/name",
        lambda url: f"{url}x",
        lambda url: url.replace("redis://", "http://"),
        lambda url: url.replace("%2F", "/").replace("%23", "#"),
        lambda url: url.partition("@")[0],
        lambda url: f"unix://{'/x' * 100}?password={IN_URL}",
        lambda url: f"unix:///nowhere?password={IN_URL}",
    ],
    ids=[
        *("wrong", "down", "no-tls", "no-database", "no-port", "no-redis", "reserved"),
        *("no-host", "long-path", "no-socket"),
    ],
)
def test_an_error_is_one_line_without_the_password(
    rushhour: Rushhour, cli: Cli, url: str, change: Callable[[str], str]
) -> None:
    wrong = change(url)
    for ended in (
        cli(rushhour, "status", "--redis", wrong),
        cli(rushhour, "pause", env={"RUSHHOUR_REDIS": wrong}),
    ):
        assert ended.code in {2, 5}
        assert not leaks(ended.stdout + ended.one_line())


def test_a_run_that_cannot_start_shows_no_password(
    rushhour: Rushhour, cli: Cli, two_days: Path, url: str
) -> None:
    wrong = url.replace("%2Fof", "%2Fwrong")
    ended = cli(rushhour, "up", *SPAN, "--data", two_days, "--redis", wrong)
    assert ended.code == 5
    assert not leaks(ended.stdout + ended.stderr)


@pytest.mark.parametrize(
    ("name", "log_format"), [("producers", "text"), ("dataflows", "json"), ("consumers", "text")]
)
def test_a_process_logs_no_password(url: str, name: str, log_format: str) -> None:
    env = {
        "RUSHHOUR_REDIS": url.replace("%2Fof", "%2Fwrong"),
        "RUSHHOUR_KAFKA": f"127.0.0.1:{free_ports(1)[0]}",
        "RUSHHOUR_KAFKA_CONF__SSL_KEY_PASSWORD": OF_KAFKA,
        "RUSHHOUR_LOG_FORMAT": log_format,
    }
    ended = subprocess.run(
        [sys.executable, "-m", name],
        env=environment_without_settings() | env,
        capture_output=True,
        text=True,
        timeout=60.0,
        check=False,
    )
    assert ended.returncode == 5
    assert "wrong user name or password" in ended.stderr.splitlines()[-1]
    assert not leaks(ended.stdout + ended.stderr)
