"""The state directory: private to the user, and held by one `rushhour up` at a time."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rushhour.core.errors import StackError

PRIVATE_FILE = 0o600
_PRIVATE_DIRECTORY = 0o700
_LOCK = "lock"
_PID_BYTES = 20


@contextmanager
def hold_state_dir(directory: Path) -> Iterator[None]:
    """Create the state directory if it does not exist, and hold its lock.

    The lock is the kernel's: it ends with the process, in whatever way that ends.

    Raises
    ------
    StackError
        If another process holds the directory, or it cannot be written.
    """
    try:
        directory.mkdir(_PRIVATE_DIRECTORY, parents=True, exist_ok=True)
        lock = open_private(directory / _LOCK)
    except OSError as error:
        raise StackError(f"state directory {directory}: {error.strerror}") from None
    try:
        _acquire(lock, directory)
        yield
    finally:
        os.close(lock)


def open_private(path: Path) -> int:
    """Open a file to read and write that only the user may access; return its descriptor.

    The file is created if it does not exist. A link is refused.
    """
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, PRIVATE_FILE)
    os.fchmod(descriptor, PRIVATE_FILE)  # it may exist, and be open to others
    return descriptor


def write_private(path: Path, content: bytes) -> None:
    """Write a file that only the user may access. It is whole whenever it is read.

    Raises
    ------
    OSError
        If it cannot be written.
    """
    temporary = path.with_name(f"{path.name}.tmp")
    with os.fdopen(open_private(temporary), "wb") as file:
        file.truncate()
        file.write(content)
    temporary.replace(path)


def _acquire(lock: int, directory: Path) -> None:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        pid = os.pread(lock, _PID_BYTES, 0).decode("ascii", "replace").strip()
        raise StackError(
            f"a run is live already (process {pid or 'unknown'}, state directory {directory}): "
            "stop it first, or give this one another --state-dir"
        ) from None
    except OSError as error:
        raise StackError(f"state directory {directory}: no lock: {error.strerror}") from None
    os.ftruncate(lock, 0)
    os.pwrite(lock, f"{os.getpid()}\n".encode(), 0)
