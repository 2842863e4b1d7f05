"""A directory that comes into being as a whole."""

import errno
import os
from pathlib import Path

import pytest

from rushhour.core.errors import UsageError
from rushhour.simulator.export.directory import check_directory, new_directory


def names(path: Path) -> list[str]:
    return sorted(each.name for each in path.iterdir())


@pytest.mark.parametrize("exists", [False, True], ids=["new", "empty"])
def test_files_are_seen_all_at_once(tmp_path: Path, exists: bool) -> None:
    path = tmp_path / "tables"
    if exists:
        path.mkdir()
    check_directory(path)
    with new_directory(path) as part:
        (part / "a").write_text("1")
        assert not (path / "a").exists()
        assert part.parent == tmp_path  # on the same file system: a rename is atomic
    assert (path / "a").read_text() == "1"
    assert names(tmp_path) == ["tables"]
    assert path.stat().st_mode & 0o777 == 0o777 & ~_umask()


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


@pytest.mark.parametrize("error", [KeyboardInterrupt, OSError(errno.ENOSPC, "No space left")])
def test_nothing_is_left_of_what_fails(tmp_path: Path, error: BaseException) -> None:
    path = tmp_path / "tables"
    expected = UsageError if isinstance(error, OSError) else KeyboardInterrupt
    with pytest.raises(expected), new_directory(path) as part:
        (part / "a").write_text("1")
        raise error
    assert names(tmp_path) == []


def test_what_appears_meanwhile_is_not_replaced(tmp_path: Path) -> None:
    path = tmp_path / "tables"
    with pytest.raises(UsageError, match="not empty"), new_directory(path) as part:
        (part / "a").write_text("1")
        path.mkdir()
        (path / "theirs").write_text("2")
    assert names(tmp_path) == ["tables"]
    assert names(path) == ["theirs"]


def test_a_directory_that_holds_something_is_refused(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("1")
    with pytest.raises(UsageError, match=f"{tmp_path}: Directory not empty: choose another"):
        check_directory(tmp_path)


def test_other_paths_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file, link, here = tmp_path / "file", tmp_path / "link", tmp_path / "here"
    file.write_text("1")
    link.symlink_to(tmp_path / "nowhere")
    here.mkdir()
    monkeypatch.chdir(here)
    for path, reason in (
        (file, "exists, and is not a directory"),
        (link, "exists, and is not a directory"),
        (file / "a", f"{file} is not a directory"),
        (tmp_path / "a" / "b", f"{tmp_path / 'a'} is not a directory"),
        (here, "is the working directory"),
        (Path("."), "is the working directory"),
    ):
        with pytest.raises(UsageError, match=reason):
            check_directory(path)
