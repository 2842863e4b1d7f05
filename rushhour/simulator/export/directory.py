"""A directory that comes into being as a whole: with all of its files, or not at all."""

import errno
import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rushhour.core.errors import UsageError

_WORKING_DIRECTORY = "is the working directory"


def check_directory(path: Path) -> None:
    """Refuse a directory that cannot be made, or that holds something already.

    Raises
    ------
    UsageError
        If it can't be.
    """
    try:
        if path.is_dir() and not path.is_symlink():
            if next(path.iterdir(), None) is not None:
                raise OSError(errno.ENOTEMPTY, os.strerror(errno.ENOTEMPTY))
            if path.resolve() == Path.cwd():
                raise OSError(errno.EBUSY, _WORKING_DIRECTORY)
        elif path.exists() or path.is_symlink():
            raise OSError(errno.EEXIST, "exists, and is not a directory")
        elif not path.parent.is_dir():
            raise OSError(errno.ENOENT, f"{path.parent} is not a directory")
        if not os.access(path.parent, os.W_OK):
            raise OSError(errno.EACCES, os.strerror(errno.EACCES))
    except OSError as error:
        raise cannot_make(path, error) from None


@contextmanager
def new_directory(path: Path) -> Iterator[Path]:
    """Yield a directory to write files to; it then takes the name `path`.

    It is made beside it. If the block fails, nothing is left of it. Files are on the disk before
    they are seen.

    Raises
    ------
    UsageError
        If a file or the directory cannot be written.
    """
    path = path.absolute()
    part = path.with_name(f".{path.name}.{secrets.token_hex(4)}.part")
    try:
        part.mkdir()
        yield part
        for file in part.iterdir():
            _flush(file)
        part.replace(path)  # in place of an empty directory too, and of nothing else
        _flush(path.parent)
    except OSError as error:
        raise cannot_make(path, error) from None
    finally:
        shutil.rmtree(part, ignore_errors=True)


def cannot_make(path: Path, error: OSError) -> UsageError:
    """Return the error about a directory that cannot be written."""
    return UsageError(f"{path}: {error.strerror or error}: choose another directory")


def _flush(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
