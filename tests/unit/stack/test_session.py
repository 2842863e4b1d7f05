"""The session file: what it remembers, who may read it, and what is read of a damaged one."""

import os
import stat
from pathlib import Path

import pytest

from rushhour.core.errors import RedisFailure, StackError
from rushhour.simulator.stack.redis_binary import RedisBinary
from rushhour.simulator.stack.session import Session

SESSION = Session(
    7,
    "id",
    "redis://:secret@host:1",
    "host:2",
    "ann",
    RedisBinary("/usr/bin/redis-server", "7.0.15"),
)


@pytest.mark.parametrize("saved_by", [None, SESSION.saved_by])
def test_a_session_is_read_back_as_it_was_saved(
    tmp_path: Path, saved_by: RedisBinary | None
) -> None:
    session = Session(7, "id", "redis://host:1", "host:2", "ann", saved_by)
    session.save(tmp_path)
    assert Session.load(tmp_path) == session


def test_a_password_is_not_stored_and_has_to_be_given_again(tmp_path: Path) -> None:
    SESSION.save(tmp_path)
    (file,) = tmp_path.iterdir()
    assert "secret" not in file.read_text()
    session = Session.load(tmp_path)
    assert session is not None
    with pytest.raises(RedisFailure, match=r"^the last run is in Redis at redis://:\*\*\*@host:1 "):
        session.client()


@pytest.mark.parametrize("umask", [0o000, 0o022, 0o077])
def test_only_the_user_may_read_it_whatever_the_umask_and_what_was_there(
    tmp_path: Path, umask: int
) -> None:
    left_over = tmp_path / "session.json.tmp"
    left_over.write_text("x" * 10_000)
    left_over.chmod(0o666)
    before = os.umask(umask)
    try:
        for _ in range(2):
            SESSION.save(tmp_path)
            (file,) = tmp_path.iterdir()
            assert stat.S_IMODE(file.stat().st_mode) == 0o600
            assert Session.load(tmp_path) is not None
            file.chmod(0o666)
    finally:
        os.umask(before)


def test_a_link_is_not_written_through(tmp_path: Path) -> None:
    target = tmp_path / "target"
    target.touch()
    (tmp_path / "session.json.tmp").symlink_to(target)
    with pytest.raises(StackError, match="state directory"):
        SESSION.save(tmp_path)
    assert target.read_bytes() == b""


@pytest.mark.parametrize("text", ["", "[]", "{}", "null", '{"pid": 7}', "{"])
def test_a_damaged_file_is_no_session(tmp_path: Path, text: str) -> None:
    assert Session.load(tmp_path) is None
    SESSION.save(tmp_path)
    (file,) = tmp_path.iterdir()
    file.write_text(text)
    assert Session.load(tmp_path) is None


def test_a_directory_that_cannot_be_written_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(StackError, match=r"^state directory .*missing: No such file"):
        SESSION.save(tmp_path / "missing")
