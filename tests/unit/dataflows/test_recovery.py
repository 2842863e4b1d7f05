import sqlite3
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from dataflows.recovery import recovery_config
from rushhour.core.errors import StackError
from rushhour.core.run import RunInfo

RUN = RunInfo("first", "green", "2024-10", "a", "/a", 0, 3_600_000, dataflows=3)


def files(directory: Path) -> list[str]:
    found = (path for path in directory.rglob("*") if path.is_file())
    return sorted(str(path.relative_to(directory)) for path in found)


@pytest.mark.parametrize("process", [0, 2])
def test_a_process_has_its_own_recovery_partition_and_no_other(
    tmp_path: Path, process: int
) -> None:
    recovery_config(tmp_path / "made/if/need/be", RUN, process)

    (store,) = files(tmp_path / "made/if/need/be")
    assert store == f"process-{process}/first-of-3/part-{process}.sqlite3"
    with closing(sqlite3.connect(tmp_path / "made/if/need/be" / store)) as database:
        # Bytewax reads here which of how many recovery partitions it is.
        assert database.execute("SELECT part_index, part_count FROM parts").fetchall() == [
            (process, 3)
        ]


def test_a_process_that_restarts_finds_its_store(tmp_path: Path) -> None:
    recovery_config(tmp_path, RUN, 1)
    (store,) = files(tmp_path)
    (tmp_path / store).write_bytes(b"stored")

    recovery_config(tmp_path, RUN, 1)

    assert files(tmp_path) == [store]
    assert (tmp_path / store).read_bytes() == b"stored"


@pytest.mark.parametrize(
    "other",
    [replace(RUN, run_id="second"), replace(RUN, dataflows=2)],
    ids=["another run", "another number of processes"],
)
def test_stores_of_other_runs_are_deleted_but_only_this_processs(
    tmp_path: Path, other: RunInfo
) -> None:
    for process in (0, 1):
        recovery_config(tmp_path, RUN, process)
    (tmp_path / "notes.txt").write_text("mine")

    recovery_config(tmp_path, other, 0)

    assert files(tmp_path) == [
        "notes.txt",
        f"process-0/{other.run_id}-of-{other.dataflows}/part-0.sqlite3",
        "process-1/first-of-3/part-1.sqlite3",
    ]


def test_a_store_that_is_only_half_created_is_created_again(tmp_path: Path) -> None:
    half = tmp_path / "process-0" / "new"
    half.mkdir(parents=True)
    (half / "part-2.sqlite3").write_bytes(b"half")

    recovery_config(tmp_path, RUN, 0)

    assert files(tmp_path) == ["process-0/first-of-3/part-0.sqlite3"]


def a_file_in_its_place(directory: Path) -> None:
    directory.write_text("")


def a_file_in_the_process_place(directory: Path) -> None:
    directory.mkdir()
    (directory / "process-0").write_text("")


@pytest.mark.parametrize("spoil", [a_file_in_its_place, a_file_in_the_process_place])
def test_a_directory_that_cannot_be_written_is_one_line(
    tmp_path: Path, spoil: Callable[[Path], None]
) -> None:
    directory = tmp_path / "recovery"
    spoil(directory)

    with pytest.raises(StackError) as caught:
        recovery_config(directory, RUN, 0)

    message = str(caught.value)
    assert message.startswith(f"recovery directory {directory}/process-0: ")
    assert "\n" not in message
    assert caught.value.exit_code == 6
