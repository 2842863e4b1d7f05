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


def test_only_the_user_may_read_it(tmp_path: Path) -> None:
    SESSION.save(tmp_path)
    SESSION.save(tmp_path)
    (file,) = tmp_path.iterdir()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


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


def test_a_session_of_this_process_or_of_an_ended_one_is_not_alive() -> None:
    assert not Session(os.getpid(), "id", "redis://127.0.0.1:9", "").is_alive()
    assert not Session(2**22 + 1, "id", "redis://127.0.0.1:9", "").is_alive()  # above any pid
