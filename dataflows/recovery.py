"""The recovery store of a dataflow process, from which it resumes after a crash.

Bytewax snapshots every step at the end of each epoch and writes the snapshots to SQLite files, the
recovery partitions. Each process has one, in its own directory, so processes on different hosts
need no shared disk. The stores of a cluster are of use only together: see `dataflows.cluster`.
"""

import hashlib
import logging
import shutil
import sqlite3
import sys
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import timedelta
from importlib.metadata import version
from pathlib import Path
from typing import NamedTuple

from bytewax.recovery import RecoveryConfig, init_db_dir

from rushhour.core.errors import StackError
from rushhour.core.run import RunInfo
from rushhour.runtime.failpoints import limit
from rushhour.runtime.records import RecordPosition

# The most wall time of work that is repeated after a crash. At the end of an epoch the processes of
# a cluster wait for one another, so short epochs cost a cluster far more than a single process.
EPOCH = timedelta(seconds=limit("dataflow.epoch.seconds", 5.0))

# Increase it whenever a class that is pickled into a snapshot changes its fields or their meaning.
STATE_VERSION = 9
# Their objects are pickled too, or they pickle.
_PICKLED_BY = ("bytewax", "numpy", "river")

# The session of a store that no cluster has begun to work with.
NEW = "new"

# Failures of SQLite that say nothing about the content of a file.
_NOT_DAMAGE = frozenset(
    {
        *(sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_PERM),
        *(sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_NOMEM),
        *(sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED),
    }
)
_log = logging.getLogger(__name__)


class _DamagedError(Exception):
    """A store is not what this process created."""


def plan_of(run: RunInfo, skipped: Collection[RecordPosition] = ()) -> str:
    """Return what snapshots can be used for: run, number of processes, version of the state.

    They cannot be used once further trips are to be skipped, which they may have counted.
    """
    plan = f"{run.run_id}-of-{run.dataflows}-state-{state_version()}"
    if not skipped:
        return plan
    return f"{plan}-skipped-{hashlib.sha256(repr(sorted(skipped)).encode()).hexdigest()[:8]}"


def state_version() -> str:
    """Return a hash of all versions that a pickled state depends on."""
    versions = [
        f"state {STATE_VERSION}",
        f"python {sys.version_info.major}.{sys.version_info.minor}",
    ]
    versions += [f"{name} {version(name)}" for name in _PICKLED_BY]
    return hashlib.sha256("\n".join(versions).encode()).hexdigest()[:8]


class Progress(NamedTuple):
    """How far Bytewax has written a store.

    `commit` is the last epoch whose older snapshots are deleted, -1 if there is none. `executions`
    has the number of each start of the cluster, its number of workers, and the epoch at which it
    resumed. `fronts` has an execution, a worker, and the first epoch that it has not completed.
    """

    commit: int = -1
    executions: tuple[tuple[int, int, int], ...] = ()
    fronts: tuple[tuple[int, int, int], ...] = ()


def resume_epoch(stores: Sequence[Progress]) -> int:
    """Return the epoch at which Bytewax will resume: the first that a worker has not completed.

    >>> first = Progress(4, executions=((0, 2, 1), (1, 2, 5)), fronts=((0, 1, 6), (1, 0, 9)))
    >>> resume_epoch([first, Progress(4)]), resume_epoch([first, Progress(4, fronts=((1, 1, 8),))])
    (5, 8)
    """
    executions = [execution for store in stores for execution in store.executions]
    if not executions:
        return 0
    latest, workers, resumed = max(executions)
    fronts = {
        worker: epoch
        for store in stores
        for number, worker, epoch in store.fronts
        if number == latest
    }
    return min(fronts.get(worker, resumed) for worker in range(workers))


@dataclass(frozen=True, slots=True)
class Store:
    """The recovery store of one process: a directory with one SQLite file."""

    directory: Path
    file: Path

    @property
    def config(self) -> RecoveryConfig:
        """The store as Bytewax takes it."""
        return RecoveryConfig(self.directory)  # type: ignore[no-untyped-call]

    def sessions(self) -> frozenset[str]:
        """Return the sessions of the cluster that may have written the store last."""
        with self.database() as database:
            return frozenset(name for (name,) in database.execute("SELECT name FROM sessions"))

    def set_sessions(self, sessions: Iterable[str]) -> None:
        """Replace the sessions. They are in the file itself, so that a copy of it has them too."""
        with self.database() as database, database:
            database.execute("DELETE FROM sessions")
            database.executemany("INSERT INTO sessions VALUES (?)", [(name,) for name in sessions])

    def beats(self) -> int:
        """Return the number of heartbeats of the processes that have worked with the store."""
        try:
            return int(self._beats.read_text("ascii"))
        except (FileNotFoundError, ValueError):
            return 0

    def beat(self, beats: int) -> None:
        """Write a number of heartbeats, beside the file: while Bytewax works, nobody may open it.

        Bytewax brings its own SQLite. When a process closes a file, it loses the locks on it that
        another library holds.
        """
        new = self._beats.with_suffix(".new")
        new.write_text(str(beats), "ascii")
        new.replace(self._beats)

    @property
    def _beats(self) -> Path:
        return self.directory / "heartbeats"

    def progress(self) -> Progress:
        """Return how far the store is written."""
        with self.database() as database:
            (commit,) = database.execute("SELECT max(commit_epoch) FROM commits").fetchone()
            executions = database.execute("SELECT ex_num, worker_count, resume_epoch FROM exs")
            fronts = database.execute("SELECT ex_num, worker_index, worker_frontier FROM fronts")
            return Progress(
                -1 if commit is None else commit,
                tuple(sorted(executions.fetchall())),
                tuple(sorted(fronts.fetchall())),
            )

    def check(self, process: int, processes: int) -> None:
        """Raise `_DamagedError` unless the file is a whole store of that process."""
        with _damage(), self.database() as database:
            (found,) = database.execute("PRAGMA quick_check(1)").fetchone()
            if found != "ok":
                raise _DamagedError(str(found))
            parts = database.execute("SELECT part_index, part_count FROM parts").fetchall()
            if parts != [(process, processes)]:
                raise _DamagedError(f"it is of process and processes {parts}")
        with _damage():
            self.progress()
            if not self.sessions():
                raise _DamagedError("it has no session")

    @contextmanager
    def database(self) -> Iterator[sqlite3.Connection]:
        """Open the file, which must exist, and close it at the end."""
        uri = f"{self.file.absolute().as_uri()}?mode=rw"
        with closing(sqlite3.connect(uri, uri=True, timeout=30.0)) as database:
            yield database


def open_store(
    directory: Path, plan: str, run: RunInfo, process: int, *, generation: int, epoch: int
) -> Store:
    """Return the store of one process of a run, created if it does not exist or is damaged.

    The process works on a copy: a predecessor that was frozen and wakes up cannot write to it. All
    other stores of this process are deleted.

    Parameters
    ----------
    directory
        The recovery directory; the store goes into a directory of the process in it.
    plan
        What `plan_of` returns.
    generation
        Counts how often the cluster has started anew; 0 for a single process.
    epoch
        The epoch of the process's lease.

    Raises
    ------
    StackError
        If the directory cannot be read and written.
    """
    own = directory / f"process-{process}"
    stem = f"{plan}-generation-{generation}-start-"
    file = f"part-{process}.sqlite3"
    store = Store(own / f"{stem}{epoch}", own / f"{stem}{epoch}" / file)
    new = Store(own / "new", own / "new" / file)
    try:
        before = [path for path in own.glob(f"{stem}*") if path.name.removeprefix(stem).isdecimal()]
        if store.directory not in before:
            shutil.rmtree(new.directory, ignore_errors=True)
            new.directory.mkdir(parents=True)
            if before:
                latest = max(before, key=lambda path: int(path.name.removeprefix(stem)))
                _copy(Store(latest, latest / file), new, process, run.dataflows)
            else:
                _create(new, process, run.dataflows)
            new.directory.rename(store.directory)
        for path in own.iterdir():
            if path != store.directory:
                shutil.rmtree(path)
    except (OSError, sqlite3.Error) as error:
        reason = (error.strerror if isinstance(error, OSError) else None) or error
        raise StackError(f"recovery directory {own}: {reason}") from None
    return store


def _copy(store: Store, to: Store, process: int, processes: int) -> None:
    """Copy a store; create a new one instead if it is damaged."""
    try:
        if not store.file.is_file():
            raise _DamagedError(f"{store.file.name} is missing")
        with _damage(), store.database() as source, closing(sqlite3.connect(to.file)) as target:
            source.backup(target)
        to.check(process, processes)
        if beats := store.beats():
            to.beat(beats)
    except _DamagedError as error:
        reason = " ".join(str(error).split())
        _log.warning("recovery store %s is damaged, a new one is created: %s", store.file, reason)
        shutil.rmtree(to.directory)
        to.directory.mkdir()
        _create(to, process, processes)


def _create(store: Store, process: int, processes: int) -> None:
    """Create the recovery partition of one process; Bytewax creates all, the others are deleted."""
    init_db_dir(store.directory, processes)  # type: ignore[no-untyped-call]
    for file in store.directory.iterdir():
        if file != store.file:
            file.unlink()
    with store.database() as database, database:
        database.execute("CREATE TABLE sessions (name TEXT PRIMARY KEY)")
        database.execute("INSERT INTO sessions VALUES (?)", (NEW,))


@contextmanager
def _damage() -> Iterator[None]:
    """Raise errors of SQLite about the content of a file as `_DamagedError`."""
    try:
        yield
    except sqlite3.DatabaseError as error:
        if getattr(error, "sqlite_errorcode", 0) & 0xFF in _NOT_DAMAGE:
            raise
        raise _DamagedError(str(error)) from None
