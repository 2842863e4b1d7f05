"""What the tests share: a Redis, a broker, settings, trip files, and `rushhour` itself."""

import os

# One thread for linear algebra, as in the dataflow. Set before numpy loads.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
os.environ.setdefault("OMP_NUM_THREADS", "1")

import re
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, TypeVar

import hypothesis
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import redis
from confluent_kafka.admin import AdminClient

from producers.datasets import PICKUP_COLUMNS, ZONE_COLUMN, file_name
from rushhour.core.settings import PREFIX, Settings
from rushhour.core.topics import TOPICS
from rushhour.runtime.kafka import ensure_topics
from rushhour.runtime.redis_client import connect
from rushhour.simulator.commands.cli import run
from rushhour.simulator.stack.child_process import ChildProcess
from rushhour.simulator.stack.redis_server import EmbeddedRedis
from rushhour.simulator.stack.session import Session

# A busy machine must not fail a test: how long one example takes says nothing of the code.
hypothesis.settings.register_profile("rushhour", deadline=None)
hypothesis.settings.load_profile("rushhour")

T = TypeVar("T")

ROOT = Path(__file__).parents[1]
_DATA_DIR = "RUSHHOUR_DATA_DIR"
_KAFKA = "RUSHHOUR_TEST_KAFKA"
_BROKERS = ("embedded", "kafka")
_PARTITIONS = 4  # what the embedded broker gives every topic
_PATIENCE_S = 30.0

TripRow = tuple[str | None, int | None]  # pickup time such as "2024-10-01 07:59:59", zone
SettingsFactory = Callable[..., Settings]
TripWriter = Callable[..., Path]
Cli = Callable[..., "Finished"]


def _without_settings() -> dict[str, str]:
    """Return the environment without the settings of whoever runs the tests."""
    return {name: value for name, value in os.environ.items() if not name.startswith(PREFIX)}


class WaitUntil:
    """Waits, for a bounded time, until something is so; returns what made it so."""

    def __call__(
        self, condition: Callable[[], T | None], what: str, seconds: float = _PATIENCE_S
    ) -> T:
        deadline = time.monotonic() + seconds
        while True:
            found = condition()
            if found:
                return found
            if time.monotonic() > deadline:
                pytest.fail(f"waited {seconds:.0f} s in vain until {what}")
            time.sleep(0.01)


@pytest.fixture(scope="session")
def wait_until() -> WaitUntil:
    return WaitUntil()


@pytest.fixture(scope="session")
def data_dir() -> Path:
    """The directory with the real trip files."""
    named = os.environ.get(_DATA_DIR)
    if not named:
        pytest.skip(f"needs the real trip files: set {_DATA_DIR} to their directory")
    if not Path(named).is_dir():
        pytest.skip(f"{_DATA_DIR} is {named}, which is not a directory")
    return Path(named).resolve()


def _real_file(data_dir: Path, dataset: str) -> Path:
    path = data_dir / file_name(dataset, "2024-10")
    if not path.is_file():
        pytest.skip(f"{_DATA_DIR} has no {path.name}: download it there")
    return path


@pytest.fixture(scope="session")
def green_file(data_dir: Path) -> Path:
    return _real_file(data_dir, "green")


@pytest.fixture(scope="session")
def yellow_file(data_dir: Path) -> Path:
    return _real_file(data_dir, "yellow")


@pytest.fixture(scope="session")
def write_trips() -> TripWriter:
    """A function that writes trips as a TLC Parquet file, and returns its path."""

    def write(path: Path, trips: Iterable[TripRow], dataset: str = "green") -> Path:
        times, zones = zip(*trips, strict=True)
        column = [None if time is None else datetime.fromisoformat(time) for time in times]
        table = pa.table(
            {
                "VendorID": pa.array([2] * len(times), pa.int32()),
                PICKUP_COLUMNS[dataset]: pa.array(column, pa.timestamp("us")),
                ZONE_COLUMN: pa.array(zones, pa.int32()),
            }
        )
        pq.write_table(table, path)
        return path

    return write


@pytest.fixture(scope="session")
def docker_engine() -> None:
    """Skips what needs a Docker engine where there is none."""
    try:
        subprocess.run(["docker", "info"], capture_output=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("needs a Docker engine that runs")


@pytest.fixture(scope="session")
def documented_metrics() -> dict[str, set[str]]:
    """What docs/reference.md says that each part exports: part -> metrics, without labels."""
    reference = (ROOT / "docs" / "reference.md").read_text("utf-8")
    found: dict[str, set[str]] = {}
    for metrics, parts in re.findall(r"^\| (`rushhour_.*?) \| ([a-z, ]+) \|", reference, re.M):
        names = re.findall(r"rushhour_\w+(?=[{`])", re.sub(r"\{.*?\}", "", metrics))
        for part in parts.split(", "):
            found.setdefault(part, set()).update(names)
    return found


@pytest.fixture(scope="session")
def free_port() -> Callable[[], int]:
    """A function that returns a port on which nothing listens."""

    def find() -> int:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            return int(probe.getsockname()[1])

    return find


@pytest.fixture(scope="session")
def redis_server(
    tmp_path_factory: pytest.TempPathFactory, free_port: Callable[[], int]
) -> Iterator[EmbeddedRedis]:
    """A real Redis for all tests. Take `client` to find it empty."""
    server = EmbeddedRedis(tmp_path_factory.mktemp("redis"), free_port())
    yield server
    server.stop(save=False)


@pytest.fixture
def client(redis_server: EmbeddedRedis) -> Iterator[redis.Redis]:
    """A client of the Redis for all tests, emptied before each."""
    client = connect(redis_server.url)
    client.flushall()
    yield client
    client.close()


@pytest.fixture(scope="session")
def contents() -> Callable[[redis.Redis], dict[str, object]]:
    """A function that returns all that depends on the trips alone: every key but `sim:*`."""

    def read(client: redis.Redis) -> dict[str, object]:
        readers: dict[str, Callable[[str], object]] = {
            "hash": client.hgetall,
            "zset": lambda key: client.zrange(key, 0, -1, withscores=True),
            "stream": client.xrange,
        }
        keys = sorted(key for key in client.scan_iter(count=1_000) if not key.startswith("sim:"))
        return {key: readers[str(client.type(key))](key) for key in keys}

    return read


@contextmanager
def _broker(log: Path) -> Iterator[str]:
    part = ChildProcess.python("broker", "rushhour.simulator.stack.broker", log, {})

    def address() -> str:
        part.check()
        text = part.log.read_text()
        return text.strip() if text.endswith("\n") else ""

    try:
        yield WaitUntil()(address, "the broker says where it listens")
    finally:
        part.stop()


@contextmanager
def _real_kafka() -> Iterator[str]:
    """The Kafka that the environment names, with topics like those of the embedded broker."""
    address = os.environ.get(_KAFKA)
    if not address:
        pytest.skip(f"needs a real Kafka: set {_KAFKA} to its bootstrap servers")
    renew_topics(address)
    yield address


def renew_topics(address: str) -> None:
    """Empty our topics on a real Kafka: it takes a moment until one that is deleted is gone."""
    admin = AdminClient({"bootstrap.servers": address, "log_level": 2})
    there = set(TOPICS) & set(admin.list_topics(timeout=_PATIENCE_S).topics)
    if there:
        for future in admin.delete_topics(sorted(there)).values():
            future.result()
    WaitUntil()(
        lambda: not set(TOPICS) & set(admin.list_topics(timeout=_PATIENCE_S).topics),
        "the topics are gone",
    )
    ensure_topics(address, _PARTITIONS)


def _open_broker(kind: str, directory: Path) -> AbstractContextManager[str]:
    return _real_kafka() if kind == "kafka" else _broker(directory / "broker.log")


@pytest.fixture(params=_BROKERS)
def broker(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """The address of a broker with empty topics of 4 partitions: embedded, and a real Kafka."""
    with _open_broker(request.param, tmp_path) as address:
        yield address


@pytest.fixture(scope="module", params=_BROKERS)
def module_broker(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[str]:
    """The address of a broker whose topics hold what earlier tests of the module left."""
    with _open_broker(request.param, tmp_path_factory.mktemp("broker")) as address:
        yield address


@pytest.fixture(scope="module", params=_BROKERS)
def next_kafka(request: pytest.FixtureRequest) -> Callable[[], str | None]:
    """A function that returns an empty Kafka for one run, or None: the run brings its own."""

    def empty() -> str | None:
        if request.param == "embedded":
            return None
        with _real_kafka() as address:
            return address

    empty()
    return empty


@pytest.fixture(scope="session")
def settings(tmp_path_factory: pytest.TempPathFactory) -> SettingsFactory:
    """A function like `Settings.load`, blind to the environment, with directories of its own."""

    def make(**flags: Any) -> Settings:
        root = tmp_path_factory.mktemp("settings")
        directories = {"state_dir": root / "state", "cache_dir": root / "cache"}
        for directory in directories.values():
            directory.mkdir()
        with pytest.MonkeyPatch.context() as patch:
            for name in set(os.environ) - set(_without_settings()):
                patch.delenv(name)
            return Settings.load(**(directories | flags))

    return make


@dataclass
class Rushhour:
    """The `rushhour` command with a state directory of its own, and without a network."""

    directory: Path
    _running: list[subprocess.Popen[bytes]] = field(default_factory=list)

    @property
    def state_dir(self) -> Path:
        return self.directory / "state"

    @property
    def environment(self) -> dict[str, str]:
        """What a command finds in its environment, beside what has nothing to do with it."""
        # Port 9 of this machine discards: no test ever waits for a real download.
        proxies = dict.fromkeys(("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"), "http://127.0.0.1:9")
        return {
            **proxies,
            **{name.lower(): value for name, value in proxies.items()},
            "NO_PROXY": "",
            "no_proxy": "",
            "RUSHHOUR_STATE_DIR": str(self.state_dir),
            "RUSHHOUR_CACHE_DIR": str(self.directory / "cache"),
            "COLUMNS": "200",
            "NO_COLOR": "1",
        }

    def __call__(
        self, *args: object, env: Mapping[str, str] | None = None, timeout: float = 60.0
    ) -> "Finished":
        """Run a command to its end."""
        return self.start(*args, env=env).end(timeout)

    def start(self, *args: object, env: Mapping[str, str] | None = None) -> "Running":
        """Start a command, and leave it running until its `end` or the end of the tests."""
        out, err = (
            self.directory / f"{kind}-{len(self._running)}.txt" for kind in ("stdout", "stderr")
        )
        with out.open("w") as stdout, err.open("w") as stderr:
            process = subprocess.Popen(
                [Path(sys.executable).with_name("rushhour"), *map(str, args)],
                stdin=subprocess.DEVNULL,
                stdout=stdout,
                stderr=stderr,
                env=_without_settings() | self.environment | dict(env or {}),
            )
        self._running.append(process)
        return Running(process, out, err)

    def client(self) -> redis.Redis | None:
        """Return a client of the live run's Redis, once it has one."""
        session = Session.load(self.state_dir)
        return session.client() if session is not None else None

    def processes(self) -> dict[int, str]:
        """Return the processes alive that belong to this state directory: pid -> command line.

        Needs /proc. A server works in the directory; all others have it in their environment.
        """
        mark = f"RUSHHOUR_STATE_DIR={self.state_dir}".encode()
        found: dict[int, str] = {}
        for entry in Path("/proc").iterdir():
            try:
                if entry.name.isdigit() and (
                    mark in (entry / "environ").read_bytes().split(b"\0")
                    or (entry / "cwd").readlink() == self.state_dir
                ):
                    line = (entry / "cmdline").read_bytes().replace(b"\0", b" ")
                    found[int(entry.name)] = line.decode().strip()
            except OSError:  # it ended meanwhile, or is not ours
                continue
        return found

    def close(self) -> None:
        """Stop whatever still runs."""
        for process in self._running:
            if process.poll() is None:
                process.terminate()
                try:
                    process.wait(20.0)
                except subprocess.TimeoutExpired:
                    process.kill()
            process.wait()


@dataclass(frozen=True)
class Running:
    """A command that goes on."""

    process: subprocess.Popen[bytes]
    out: Path
    err: Path

    def end(self, timeout: float = 30.0) -> "Finished":
        """Wait for the end."""
        code = self.process.wait(timeout)
        return Finished(code, self.out.read_text(), self.err.read_text())


@dataclass(frozen=True)
class Finished:
    """How a command ended, and what it said."""

    code: int
    stdout: str
    stderr: str

    @property
    def words(self) -> str:
        """What it said on stdout, without layout."""
        return " ".join(self.stdout.split())

    def one_line(self) -> str:
        """Return the one line that a failed command says on stderr, and fail if it says more."""
        assert "Traceback" not in self.stdout + self.stderr, self.stderr
        lines = self.stderr.splitlines()
        assert len(lines) == 1, self.stderr
        return lines[0]


@pytest.fixture
def rushhour(tmp_path: Path) -> Iterator[Rushhour]:
    """The `rushhour` command, for one test."""
    command = Rushhour(tmp_path)
    yield command
    command.close()


@pytest.fixture(scope="module")
def module_rushhour(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rushhour]:
    """The `rushhour` command with one state directory for all tests of a module."""
    command = Rushhour(tmp_path_factory.mktemp("rushhour"))
    yield command
    command.close()


@pytest.fixture
def cli(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Cli:
    """A function that runs a command of a `Rushhour` in this process, which saves its start."""

    def call(rushhour: Rushhour, *args: object, env: Mapping[str, str] | None = None) -> Finished:
        capfd.readouterr()
        with monkeypatch.context() as patch:
            for name in set(os.environ) - set(_without_settings()):
                patch.delenv(name)
            for name, value in (rushhour.environment | dict(env or {})).items():
                patch.setenv(name, value)
            patch.setattr(sys, "argv", ["rushhour", *map(str, args)])
            with pytest.raises(SystemExit) as ended:
                run()
        code = ended.value.code
        return Finished(code if isinstance(code, int) else -1, *capfd.readouterr())

    return call
