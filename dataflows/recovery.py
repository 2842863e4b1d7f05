"""Where a dataflow process keeps what it needs to go on after a crash.

Bytewax snapshots every step at the end of each epoch, and writes the snapshots to SQLite files,
the recovery partitions. There is one for each process, in a directory of its own, so processes
can be on different hosts and none needs the disk of another.
"""

import shutil
from datetime import timedelta
from pathlib import Path

from bytewax.recovery import RecoveryConfig, init_db_dir

from rushhour.core.errors import StackError
from rushhour.core.run import RunInfo

# What is done again after a crash, at most, in wall time. At the end of an epoch the processes of a
# cluster wait for one another, so short epochs cost a cluster far more than a single process.
EPOCH = timedelta(seconds=5)


def recovery_config(directory: Path, run: RunInfo, process: int) -> RecoveryConfig:
    """Return the recovery store of one process of a run, made if it is not there.

    Stores of other runs of this process are deleted.

    Raises
    ------
    StackError
        If the directory cannot be written.
    """
    mine = directory / f"process-{process}"
    store = mine / f"{run.run_id}-of-{run.dataflows}"
    try:
        if not store.exists():
            shutil.rmtree(mine, ignore_errors=True)
            _create(mine / "new", process, run.dataflows)
            (mine / "new").rename(store)
    except OSError as error:
        raise StackError(f"recovery directory {mine}: {error.strerror or error}") from None
    return RecoveryConfig(store)  # type: ignore[no-untyped-call]


def _create(directory: Path, process: int, processes: int) -> None:
    """Make the recovery partition of one process: Bytewax makes all, the others are not kept."""
    directory.mkdir(parents=True)
    init_db_dir(directory, processes)  # type: ignore[no-untyped-call]
    for file in directory.iterdir():
        if file.name != f"part-{process}.sqlite3":
            file.unlink()
