"""The recovery store of a dataflow process, from which it resumes after a crash.

Bytewax snapshots every step at the end of each epoch and writes the snapshots to SQLite files, the
recovery partitions. Each process has one, in its own directory, so processes on different hosts
need no shared disk.
"""

import shutil
from datetime import timedelta
from pathlib import Path

from bytewax.recovery import RecoveryConfig, init_db_dir

from rushhour.core.errors import StackError
from rushhour.core.run import RunInfo
from rushhour.runtime.failpoints import limit

# The most wall time of work that is repeated after a crash. At the end of an epoch the processes of
# a cluster wait for one another, so short epochs cost a cluster far more than a single process.
EPOCH = timedelta(seconds=limit("dataflow.epoch.seconds", 5.0))


def recovery_config(directory: Path, run: RunInfo, process: int) -> RecoveryConfig:
    """Return the recovery store of one process of a run, created if it does not exist.

    Stores that this process has of other runs are deleted.

    Parameters
    ----------
    directory
        The recovery directory; the store goes into a directory of the process in it.

    Raises
    ------
    StackError
        If the directory cannot be written.
    """
    own = directory / f"process-{process}"
    store = own / f"{run.run_id}-of-{run.dataflows}"
    try:
        if not store.exists():
            shutil.rmtree(own, ignore_errors=True)
            _create(own / "new", process, run.dataflows)
            (own / "new").rename(store)
    except OSError as error:
        raise StackError(f"recovery directory {own}: {error.strerror or error}") from None
    return RecoveryConfig(store)  # type: ignore[no-untyped-call]


def _create(directory: Path, process: int, processes: int) -> None:
    """Create the recovery partition of one process; Bytewax creates all, the others are deleted."""
    directory.mkdir(parents=True)
    init_db_dir(directory, processes)  # type: ignore[no-untyped-call]
    for file in directory.iterdir():
        if file.name != f"part-{process}.sqlite3":
            file.unlink()
