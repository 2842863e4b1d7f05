"""The embedded Redis: its port, its saved data, and why it does not start or save."""

import os
import shutil
import socket
import stat
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path

import pytest
import redis

from rushhour.core import keys
from rushhour.core.errors import RedisFailure, StackError
from rushhour.core.zones import ZONE_IDS
from rushhour.runtime.redis_client import connect
from rushhour.simulator.stack import redis_server
from rushhour.simulator.stack.open_run import open_run
from rushhour.simulator.stack.ports import free_ports
from rushhour.simulator.stack.redis_binary import RedisBinary, find_binary
from rushhour.simulator.stack.redis_server import ANY_PORT, DUMP, EmbeddedRedis
from rushhour.simulator.stack.session import Session
from rushhour.simulator.stack.stack import open_stack
from tests.fixtures.command import Rushhour
from tests.fixtures.settings import SettingsFactory


@contextmanager
def taken_port() -> Iterator[int]:
    """Hold a port whose next one is free."""
    for _ in range(50):
        with socket.socket() as holder, socket.socket() as probe:
            holder.bind(("127.0.0.1", 0))
            port = int(holder.getsockname()[1])
            try:
                probe.bind(("127.0.0.1", port + 1))
            except OSError:
                continue
            probe.close()
            holder.listen()
            yield port
            return
    pytest.fail("found no pair of ports")


@contextmanager
def running(directory: Path, port: int, *, save: bool = False) -> Iterator[EmbeddedRedis]:
    server = EmbeddedRedis(directory, port)
    try:
        yield server
    finally:
        server.stop(save=save)


def test_a_saved_run_is_served_once_all_of_it_is_loaded(tmp_path: Path) -> None:
    if find_binary().is_older_than(RedisBinary("", "7.0")):
        pytest.skip("needs Redis 7.0 or newer, which can load slowly")
    with running(tmp_path, ANY_PORT, save=True) as server:
        connect(server.url).eval("for i = 1, 20000 do redis.call('SET', i, i) end", 0)
    slow = tmp_path / "redis-server"
    options = "--key-load-delay 50 --loading-process-events-interval-bytes 1024"
    slow.write_text(f'#!/bin/sh\nexec {find_binary().path} "$@" {options}\n')
    slow.chmod(0o700)
    reader = EmbeddedRedis(tmp_path, ANY_PORT, saved=True, saved_by=RedisBinary(str(slow), ""))
    try:
        assert connect(reader.url).dbsize() == 20_000
    finally:
        reader.stop(save=False)


def test_a_taken_port_is_left_alone_and_the_next_one_used(tmp_path: Path) -> None:
    with taken_port() as port, running(tmp_path, port) as server:
        assert server.port == port + 1
        assert server.url == f"redis://127.0.0.1:{port + 1}"
        assert connect(server.url).ping()


def test_a_server_listens_on_this_machine_only(tmp_path: Path, redis_server: EmbeddedRedis) -> None:
    assert connect(redis_server.url).config_get("bind") == {"bind": "127.0.0.1"}


def test_a_server_on_a_socket_is_for_this_user_only(tmp_path: Path) -> None:
    server = EmbeddedRedis(tmp_path, None)
    try:
        socket_path = Path(server.url.removeprefix("unix://"))
        client = connect(server.url)
        assert client.config_get("port") == {"port": "0"}
        assert client.config_get("enable-debug-command") == {"enable-debug-command": "no"}
        assert stat.S_IMODE(socket_path.stat().st_mode) == 0o700
        assert stat.S_IMODE(socket_path.parent.stat().st_mode) == 0o700
        client.set("a", "b")
    finally:
        server.stop(save=True)
    assert not socket_path.parent.exists()
    with reading(tmp_path) as reader:
        assert connect(reader.url).get("a") == "b"


def test_a_server_of_a_wheel_listens_on_a_socket_unless_a_port_is_wanted(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    of_system, of_wheel = (
        RedisBinary("/usr/bin/redis-server", "7.0"),
        RedisBinary("/w", "9", bundled=True),
    )
    monkeypatch.setattr(redis_server, "find_binary", lambda saved_by: saved_by)
    assert redis_server.port_for_clients(None, of_system) == 6379
    assert redis_server.port_for_clients(7000, of_system) == 7000
    assert redis_server.port_for_clients(None, of_wheel) is None
    assert redis_server.port_for_clients(7000, of_wheel) == 7000


def test_an_old_server_on_a_port_cannot_be_reconfigured(tmp_path: Path) -> None:
    old = tmp_path / "old"
    old.write_text(
        "#!/bin/sh\nif [ $1 = --version ]; then echo 'Redis server v=6.2.14 sha=0'; exit 0; fi\n"
        f'exec {find_binary().path} "$@"\n'
    )
    old.chmod(0o700)
    with running(tmp_path, ANY_PORT, save=True):
        pass
    server = EmbeddedRedis(tmp_path, ANY_PORT, saved=True, saved_by=RedisBinary(str(old), ""))
    try:
        with pytest.raises(redis.ResponseError, match="unknown command"):
            connect(server.url).config_set("dir", str(tmp_path))
    finally:
        server.stop(save=False)


def test_no_saved_run_is_served_on_a_port_to_read_it(
    after_run: Rushhour, settings: SettingsFactory
) -> None:
    with open_run(settings(state_dir=after_run.state_dir)) as opened:
        assert opened.kind == "saved"
        assert opened.address.url.startswith("unix:///")


@contextmanager
def reading(directory: Path) -> Iterator[EmbeddedRedis]:
    server = EmbeddedRedis(directory, ANY_PORT, saved=True)
    try:
        yield server
    finally:
        server.stop(save=False)


def test_saved_data_can_be_loaded_on_any_port(tmp_path: Path) -> None:
    with taken_port() as port, running(tmp_path, port, save=True) as server:
        connect(server.url).hset("zone:132", "rides", "17")
        assert not (tmp_path / DUMP).exists()

    with reading(tmp_path) as reader:
        assert connect(reader.url).hgetall("zone:132") == {"rides": "17"}


def test_a_server_for_a_new_run_starts_empty(tmp_path: Path) -> None:
    with taken_port() as port, running(tmp_path, port, save=True) as server:
        connect(server.url).set("left", "over")
    with taken_port() as port, running(tmp_path, port) as server:
        assert connect(server.url).dbsize() == 0


def test_a_hash_of_all_zones_is_a_table(redis_server: EmbeddedRedis) -> None:
    """Each field that is added to a list would be looked for in all of it."""
    client = redis.Redis.from_url(redis_server.url)
    client.hset("zones", mapping={str(zone): zone for zone in ZONE_IDS})
    assert client.object("encoding", "zones") == b"hashtable"


def test_data_is_saved_only_on_request(tmp_path: Path) -> None:
    with taken_port() as port, running(tmp_path, port, save=False) as server:
        connect(server.url).set("a", "b")
    assert not (tmp_path / DUMP).exists()


def test_stopping_ends_the_process_and_frees_the_port(tmp_path: Path) -> None:
    with taken_port() as port, running(tmp_path, port) as server:
        url = server.url
    assert server.process.poll() == 0
    with pytest.raises(redis.ConnectionError):
        redis.Redis.from_url(url).ping()


def test_a_failure_to_save_is_an_error_and_the_server_is_stopped(
    tmp_path: Path,
) -> None:
    with taken_port() as port:
        server = EmbeddedRedis(tmp_path, port)
    connect(server.url).set("a", "b")
    # A directory stands where the file should go: even root cannot rename a file onto it.
    (tmp_path / DUMP / "inside").mkdir(parents=True)
    try:
        with pytest.raises(StackError, match=r"could not be saved"):
            server.stop(save=True)
        assert server.process.poll() is not None
    finally:
        server.process.stop()


@pytest.mark.parametrize("port", [6379, ANY_PORT], ids=["port", "any-port"])
def test_a_server_that_does_not_start_is_an_error_with_its_last_message(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, port: int
) -> None:
    broken = tmp_path / "bin" / "redis-server"
    broken.parent.mkdir()
    broken.write_text("#!/bin/sh\necho 'Fatal: out of luck'\nexit 1\n")
    broken.chmod(0o755)
    monkeypatch.setenv("PATH", f"{broken.parent}{os.pathsep}{os.environ['PATH']}")

    with pytest.raises(StackError, match=r"did not start: Fatal: out of luck \(.*; log: "):
        EmbeddedRedis(tmp_path, port)


def test_an_invalid_dump_is_an_error(tmp_path: Path) -> None:
    (tmp_path / DUMP).write_bytes(b"REDIS0009" + b"\x00garbage" * 20)

    with pytest.raises(StackError, match=r"did not start: .*RDB.*; log: .*redis.log\)"):
        EmbeddedRedis(tmp_path, ANY_PORT, saved=True)


def test_a_run_that_is_not_saved_keeps_the_dump_of_the_one_before(tmp_path: Path) -> None:
    with taken_port() as port, running(tmp_path, port, save=True) as server:
        connect(server.url).set("run", "good")
    with taken_port() as port, running(tmp_path, port) as server:
        connect(server.url).set("run", "failed")

    with reading(tmp_path) as reader:
        assert connect(reader.url).get("run") == "good"


def test_no_free_port_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(redis_server, "_PORTS_TO_TRY", 1)
    with taken_port() as port, pytest.raises(StackError, match=f"no free port from {port} on"):
        EmbeddedRedis(tmp_path, port)


def test_a_port_that_another_server_takes_first_is_left_to_it(
    tmp_path: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    with running(tmp_path_factory.mktemp("other"), ANY_PORT) as other:
        (free,) = free_ports(1)
        ports = iter([other.port, free])
        monkeypatch.setattr(redis_server, "_free_port", lambda _: next(ports))
        with running(tmp_path, ANY_PORT) as server:
            assert server.port == free


@pytest.mark.skipif(sys.platform != "linux", reason="other systems let both listen")
def test_a_port_on_which_another_server_listens_on_all_addresses_is_taken(tmp_path: Path) -> None:
    with closing(socket.create_server(("0.0.0.0", 0))) as holder:
        port = int(holder.getsockname()[1])
        with running(tmp_path, port) as server:
            assert (server.port or 0) > port


def test_a_directory_with_a_space_works(tmp_path: Path) -> None:
    directory = tmp_path / "a b"
    directory.mkdir()
    with taken_port() as port, running(directory, port, save=True) as server:
        connect(server.url).set("a", "b")
    assert (directory / DUMP).exists()
    moved = shutil.move(directory, tmp_path / "c d")
    with reading(Path(moved)) as server:
        assert connect(server.url).get("a") == "b"


# Full disks.


@pytest.fixture
def full_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 200 KiB, without the log of the server."""
    directory = tmp_path / "small"
    directory.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=200k", "tmpfs", str(directory)]
    try:
        subprocess.run(mount, check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("needs the right to mount a file system")
    yield directory
    subprocess.run(["umount", str(directory)], check=True)


@pytest.mark.parametrize("log_is_full", [False, True])
def test_a_full_disk_is_reported_in_the_words_of_redis(
    full_disk: Path, tmp_path: Path, log_is_full: bool
) -> None:
    if not log_is_full:
        (full_disk / "redis.log").symlink_to(tmp_path / "redis.log")
    server = EmbeddedRedis(full_disk, ANY_PORT)
    client = connect(server.url)
    client.config_set("rdbcompression", "no")
    client.set("large", "x" * 400_000)
    if log_is_full:
        with suppress(OSError):
            (full_disk / "fill").write_bytes(bytes(400_000))

    with pytest.raises(StackError, match=r"could not be saved: .*No space left on device"):
        server.stop(save=True)
    assert server.process.poll() is not None


# Data that another redis-server saved.


def program(path: Path, version: str, message: str = "") -> RedisBinary:
    """Write a program that reports a version, and fails with a message when it is started."""
    path.parent.mkdir(exist_ok=True)
    path.write_text(
        "#!/bin/sh\n"
        f"if [ $1 = --version ]; then echo 'Redis server v={version} sha=0'; exit 0; fi\n"
        f'echo "{message}"; exit 1\n'
    )
    path.chmod(0o755)
    return RedisBinary(str(path), version)


def test_the_program_that_saved_the_data_is_used_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with running(tmp_path, ANY_PORT, save=True) as server:
        connect(server.url).set("a", "b")
    saved_by = server.binary
    program(tmp_path / "bin" / "redis-server", "1.0", "the wrong one")
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}{os.pathsep}{os.environ['PATH']}")

    reader = EmbeddedRedis(tmp_path, ANY_PORT, saved=True, saved_by=saved_by)

    assert reader.binary == saved_by
    assert connect(reader.url).get("a") == "b"
    reader.stop(save=False)


@pytest.mark.parametrize("version", ["6.2.14", "7.0.9"])
def test_an_older_program_that_cannot_load_the_data_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, version: str
) -> None:
    (tmp_path / DUMP).touch()
    old = program(tmp_path / "bin" / "redis-server", version, "Can't handle RDB format version 10")
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}{os.pathsep}{os.environ['PATH']}")

    with pytest.raises(StackError) as caught:
        EmbeddedRedis(
            tmp_path, ANY_PORT, saved=True, saved_by=RedisBinary("/gone/redis-server", "7.0.15")
        )

    assert str(caught.value) == (
        "the run was saved by /gone/redis-server 7.0.15, which no longer exists, and "
        f"{old.path} {version} is too old to read it: install Redis 7.0.15 or newer"
    )


def test_without_a_known_program_the_cause_in_the_log_is_reported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / DUMP).touch()
    log = (
        "7:M 29 Nov 2024 14:07:17.045 # Can't handle RDB format version 10\n"
        "7:M 29 Nov 2024 14:07:17.045 # Fatal error loading the DB: Invalid argument. Exiting."
    )
    program(tmp_path / "bin" / "redis-server", "6.2.14", log)
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}{os.pathsep}{os.environ['PATH']}")

    with pytest.raises(StackError, match="did not start: Can't handle RDB format version 10 "):
        EmbeddedRedis(tmp_path, ANY_PORT, saved=True)


def test_a_run_is_read_with_the_program_that_saved_it(
    settings: SettingsFactory, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As after `make up`, Ctrl-C, and the activation of an environment with an older Redis."""
    ours = settings(redis_port=free_ports(1)[0])
    with open_stack(ours, ours.state_dir) as stack:
        Session(os.getpid(), "id", stack.redis_address.url, stack.kafka.bootstrap).save(
            ours.state_dir
        )
        stack.client.xadd(keys.CITY_HOURLY, {"hour": "2024-10-01T00"})
    session = Session.load(ours.state_dir)
    assert session is not None
    assert session.saved_by == find_binary()
    program(tmp_path / "bin" / "redis-server", "1.0", "Can't handle RDB format version 10")
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}{os.pathsep}{os.environ['PATH']}")

    with open_run(ours) as opened:
        assert opened.client.xlen(keys.CITY_HOURLY) == 1


def test_a_run_that_is_not_saved_keeps_the_program_of_the_dump(settings: SettingsFactory) -> None:
    ours = settings(redis_port=free_ports(1)[0])
    before = RedisBinary("/other/redis-server", "6.0.0")
    with open_stack(ours, ours.state_dir) as stack:
        Session(
            os.getpid(), "id", stack.redis_address.url, stack.kafka.bootstrap, saved_by=before
        ).save(ours.state_dir)
    session = Session.load(ours.state_dir)
    assert session is not None
    assert session.saved_by == before


def test_a_run_that_cannot_be_saved_is_an_error_after_ctrl_c_too(
    settings: SettingsFactory,
) -> None:
    ours = settings(redis_port=free_ports(1)[0])
    with (
        pytest.raises(StackError, match="could not be saved"),
        open_stack(ours, ours.state_dir) as stack,
    ):
        stack.client.xadd(keys.CITY_HOURLY, {"hour": "2024-10-01T00"})
        (ours.state_dir / DUMP / "inside").mkdir(parents=True)
        raise KeyboardInterrupt


# Passwords.


def test_a_missing_or_wrong_password_is_reported_with_the_form_of_the_url(tmp_path: Path) -> None:
    with running(tmp_path, ANY_PORT) as server:
        connect(server.url).config_set("requirepass", "secret")
        address = server.url.removeprefix("redis://")
        with pytest.raises(RedisFailure) as missing:
            connect(server.url)
        with pytest.raises(RedisFailure) as wrong:
            connect(f"redis://:guess@{address}")
        connect(f"redis://:secret@{address}").config_set("requirepass", "")
    form = "write the URL as redis://:PASSWORD@HOST:PORT or redis://USER:PASSWORD@HOST:PORT"
    assert str(missing.value) == f"Redis at {server.url}: a password is required: {form}"
    assert str(wrong.value) == (
        f"Redis at redis://:***@{address}: wrong user name or password: {form}"
    )
