import logging
import sqlite3
from collections import deque
from collections.abc import Callable
from contextlib import closing
from dataclasses import fields, is_dataclass, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from dataflows import recovery
from dataflows.counting import HourJoiner, PartitionCounter
from dataflows.forecasting.engine import ForecastEngine
from dataflows.recovery import NEW, STATE_VERSION, Store, open_store, plan_of, state_version
from dataflows.source import Position
from rushhour.core.errors import StackError
from rushhour.core.hours import HOUR_MS
from rushhour.core.run import RunInfo
from rushhour.core.zones import ZONE_COUNT

RUN = RunInfo("first", "green", "2024-10", "a", "/a", 0, 3_600_000, dataflows=3)


def open_one(
    directory: Path, run: RunInfo = RUN, process: int = 0, generation: int = 1, epoch: int = 7
) -> Store:
    return open_store(directory, plan_of(run), run, process, generation=generation, epoch=epoch)


def files(directory: Path) -> list[str]:
    """Return the files below a directory, without the version of the state."""
    found = (path for path in directory.rglob("*") if path.is_file())
    return sorted(
        str(path.relative_to(directory)).replace(f"-state-{state_version()}", "") for path in found
    )


def mark(store: Store) -> None:
    """Give a store a content by which it can be told from a new one."""
    store.set_sessions({"marked"})


def is_new(store: Store) -> bool:
    return store.sessions() == {NEW}


@pytest.mark.parametrize("process", [0, 2])
def test_a_process_has_its_own_recovery_partition_and_no_other(
    tmp_path: Path, process: int
) -> None:
    store = open_one(tmp_path / "made/if/need/be", process=process)

    assert is_new(store)
    assert files(tmp_path / "made/if/need/be") == [
        f"process-{process}/first-of-3-generation-1-start-7/part-{process}.sqlite3"
    ]
    with closing(sqlite3.connect(store.file)) as database:
        # Bytewax reads here which of how many recovery partitions it is.
        assert database.execute("SELECT part_index, part_count FROM parts").fetchall() == [
            (process, 3)
        ]


def test_a_process_that_restarts_works_on_a_copy_of_its_store(tmp_path: Path) -> None:
    """A predecessor that was frozen and wakes up writes to a file that nobody reads."""
    before = open_one(tmp_path)
    with closing(sqlite3.connect(before.file)) as frozen:
        frozen.execute("UPDATE sessions SET name = 'marked'")
        frozen.commit()

        after = open_one(tmp_path, epoch=8)
        frozen.execute("UPDATE sessions SET name = 'late'")
        frozen.commit()

    assert after.sessions() == {"marked"}
    assert files(tmp_path) == ["process-0/first-of-3-generation-1-start-8/part-0.sqlite3"]


def test_a_process_that_tries_again_finds_its_store(tmp_path: Path) -> None:
    mark(open_one(tmp_path))

    assert open_one(tmp_path).sessions() == {"marked"}


def test_the_latest_copy_is_used_if_the_process_was_killed_before_it_deleted_the_others(
    tmp_path: Path,
) -> None:
    for epoch in (9, 10):
        store = open_one(tmp_path / str(epoch), epoch=epoch)
        store.set_sessions({str(epoch)})
        target = tmp_path / "process-0" / store.directory.name
        target.parent.mkdir(exist_ok=True)
        store.directory.rename(target)

    assert open_one(tmp_path, epoch=11).sessions() == {"10"}


@pytest.mark.parametrize(
    ("run", "generation"),
    [
        (replace(RUN, run_id="second"), 1),
        (replace(RUN, dataflows=2), 1),
        (RUN, 2),
    ],
    ids=["another run", "another number of processes", "another generation"],
)
def test_other_stores_are_deleted_but_only_this_processs(
    tmp_path: Path, run: RunInfo, generation: int
) -> None:
    for process in (0, 1):
        mark(open_one(tmp_path, process=process))
    (tmp_path / "notes.txt").write_text("mine")

    assert is_new(open_one(tmp_path, run, generation=generation, epoch=8))

    assert files(tmp_path) == [
        "notes.txt",
        f"process-0/{run.run_id}-of-{run.dataflows}-generation-{generation}-start-8/part-0.sqlite3",
        "process-1/first-of-3-generation-1-start-7/part-1.sqlite3",
    ]


@pytest.mark.parametrize("changed", ["python", "numpy", "state"])
def test_an_upgrade_starts_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, changed: str
) -> None:
    mark(open_one(tmp_path))
    if changed == "python":
        newer = SimpleNamespace(version_info=SimpleNamespace(major=4, minor=0))
        monkeypatch.setattr(recovery, "sys", newer)
    elif changed == "state":
        monkeypatch.setattr(recovery, "STATE_VERSION", STATE_VERSION + 1)
    else:
        monkeypatch.setattr(recovery, "version", lambda name: "99" if name == changed else "1")

    assert is_new(open_one(tmp_path, epoch=8))


def test_a_store_that_is_only_half_created_is_created_again(tmp_path: Path) -> None:
    half = tmp_path / "process-0" / "new"
    half.mkdir(parents=True)
    (half / "part-2.sqlite3").write_bytes(b"half")

    assert is_new(open_one(tmp_path))

    assert files(tmp_path) == ["process-0/first-of-3-generation-1-start-7/part-0.sqlite3"]


def lose(store: Store) -> None:
    store.file.unlink()


def empty(store: Store) -> None:
    store.file.write_bytes(b"")


def overwrite(store: Store) -> None:
    store.file.write_bytes(b"not a database" * 1_000)


def truncate(store: Store) -> None:
    store.file.write_bytes(store.file.read_bytes()[:8_192])


def spoil(store: Store) -> None:
    content = bytearray(store.file.read_bytes())
    content[4_096:8_192] = b"\xff" * 4_096
    store.file.write_bytes(content)


def swap(store: Store) -> None:
    other = open_one(store.directory / "other", process=1)
    store.file.write_bytes(other.file.read_bytes())


@pytest.mark.parametrize("damage", [lose, empty, overwrite, truncate, spoil, swap])
def test_a_damaged_store_is_created_anew_and_reported(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, damage: Callable[[Store], None]
) -> None:
    store = open_one(tmp_path)
    mark(store)
    damage(store)

    with caplog.at_level(logging.WARNING, logger="dataflows"):
        assert is_new(open_one(tmp_path, epoch=8))

    (line,) = caplog.messages
    assert line.startswith(f"recovery store {store.file} is damaged, a new one is created: ")
    assert "\n" not in line


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
        open_one(directory)

    message = str(caught.value)
    assert message.startswith(f"recovery directory {directory}/process-0: ")
    assert "\n" not in message
    assert caught.value.exit_code == 6


def test_plans_differ_by_run_number_of_processes_and_state() -> None:
    assert plan_of(RUN) == f"first-of-3-state-{state_version()}"


def test_a_snapshot_is_of_no_use_once_a_trip_is_to_be_skipped() -> None:
    one, two = ("trips", 0, 7), ("trips", 3, 9)
    assert len({plan_of(RUN), plan_of(RUN, [one]), plan_of(RUN, [two])}) == 3
    assert plan_of(RUN, [one, two]) == plan_of(RUN, [two, one])


# What a snapshot holds. A dataflow must not resume from snapshots of other fields.
STATE = Path(__file__).parent / "state.txt"


def test_the_version_of_the_state_changes_with_its_fields() -> None:
    """If it fails, increase STATE_VERSION, and copy what was found into state.txt."""
    engine = ForecastEngine((1, 2))
    for hour in range(3):
        engine.predict_one(hour * HOUR_MS)
        engine.predict_ahead()
        engine.learn_one(hour * HOUR_MS, np.ones(ZONE_COUNT, np.int64))
    engine.predict_one(3 * HOUR_MS)
    states = (PartitionCounter(0, 0), HourJoiner(1, 0), Position(0), engine)
    shapes = sorted(set().union(*map(shapes_of, states)))
    assert [f"state {STATE_VERSION}", *shapes] == STATE.read_text("utf-8").splitlines()


def shapes_of(value: Any) -> set[str]:
    """Return the classes of ours in a value, with the names and types of their fields."""
    if isinstance(value, list | tuple | dict | deque):
        items = value.values() if isinstance(value, dict) else value
        return set().union(*map(shapes_of, items))
    kind = type(value)
    if kind.__module__.partition(".")[0] not in {"dataflows", "rushhour"}:
        return set()
    names = [f.name for f in fields(value)] if is_dataclass(value) else list(vars(value))
    inner = {name: getattr(value, name) for name in names}
    own = ", ".join(f"{name}: {type(inner[name]).__qualname__}" for name in sorted(inner))
    return {f"{kind.__module__}.{kind.__qualname__}({own})"}.union(*map(shapes_of, inner.values()))
