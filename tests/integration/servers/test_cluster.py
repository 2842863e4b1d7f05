"""Dataflow processes agree in a real Redis that their recovery stores belong together."""

import random
import re
import shutil
import sqlite3
import threading
from collections.abc import Callable, Iterator
from concurrent import futures
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
import redis

from dataflows import cluster as cluster_module
from dataflows import recovery
from dataflows.cluster import Cluster, Membership, NotNeededError, check_libraries
from dataflows.recovery import Store, plan_of
from rushhour.core import keys
from rushhour.core.errors import RushhourError, StackError
from rushhour.core.hours import HOUR_MS
from rushhour.core.run import RunInfo
from rushhour.runtime.fence import Fence
from rushhour.storage.runs import save_run
from tests.fixtures.redis_server import fence_of
from tests.fixtures.waiting import wait_until

RUN = RunInfo("first", "green", "2024-10", "a", "/a", 0, HOUR_MS, dataflows=2)


class KilledError(Exception):
    """The process was killed."""


@dataclass
class World:
    """The processes of a cluster, as threads, and their recovery directory."""

    client: redis.Redis
    directory: Path
    pool: ThreadPoolExecutor
    run: RunInfo = RUN

    def start(
        self, process: int, waiting: Callable[[], bool] = lambda: True, *, stored: bool = True
    ) -> Future[Membership]:
        """Start a process; return what it enters the cluster with."""
        fence = fence_of(self.client, f"dataflow-{process}")
        directory = self.directory if stored else None
        cluster = Cluster(self.client, fence, self.run, process, directory, plan_of(self.run))
        return self.pool.submit(cluster.enter, waiting)

    def start_all(self) -> list[Membership]:
        """Start all processes, and return once all have entered."""
        started = [self.start(process) for process in range(self.run.dataflows)]
        return [future.result(30) for future in started]

    @property
    def generation(self) -> int:
        return int(str(self.client.hget(keys.RECOVERY, "generation")))

    def lose(self, process: int) -> None:
        shutil.rmtree(self.directory / f"process-{process}")


@pytest.fixture
def world(client: redis.Redis, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    monkeypatch.setattr(cluster_module, "_POLL_S", 0.01)
    save_run(client, RUN)
    with ThreadPoolExecutor(8) as pool:
        yield World(client, tmp_path, pool)


def store_of(membership: Membership) -> Store:
    assert membership.store is not None
    return membership.store


def work(members: list[Membership], epoch: int) -> None:
    """Write into the stores what Bytewax writes up to an epoch."""
    for i, member in enumerate(members):
        with closing(sqlite3.connect(store_of(member).file)) as database, database:
            now = "2026-01-01"
            database.execute("DELETE FROM commits")
            database.execute("INSERT INTO commits VALUES (?, ?, ?)", [now, i, epoch - 1])
            if i == 0:
                database.execute("INSERT OR REPLACE INTO exs VALUES (?, 0, 2, 1)", [now])
                database.execute("DELETE FROM fronts")
                for worker in (0, 1):
                    row = [now, worker, epoch]
                    database.execute("INSERT INTO fronts VALUES (?, 0, ?, ?)", row)


def epochs_of(members: list[Membership]) -> list[int]:
    """Return the last epoch that each store holds, 0 if none."""
    return [store_of(member).progress().commit + 1 for member in members]


def test_processes_that_start_again_resume_with_their_stores(world: World) -> None:
    work(world.start_all(), 9)
    for _ in range(2):
        members = world.start_all()
        assert epochs_of(members) == [9, 9]
        assert len({store_of(member).sessions() for member in members}) == 1
    assert world.generation == 1


def test_a_process_waits_for_the_others(world: World) -> None:
    first = world.start(0)
    with pytest.raises(TimeoutError):
        first.result(0.3)
    world.start(1).result(30)
    assert first.result(30).epochs == (1, 1)


@pytest.mark.parametrize("lost", [{0}, {1}, {0, 1}])
def test_all_start_anew_if_a_store_is_lost(
    world: World, lost: set[int], caplog: pytest.LogCaptureFixture
) -> None:
    work(world.start_all(), 9)
    for process in lost:
        world.lose(process)
    members = world.start_all()

    assert epochs_of(members) == [0, 0]
    if len(lost) == 1:
        assert world.generation == 2
        assert (
            f"the recovery store of dataflow-{lost.pop()} was lost: all dataflow processes start "
            "anew, at the first trip"
        ) in caplog.messages


def test_all_start_anew_if_a_store_is_damaged(world: World) -> None:
    members = world.start_all()
    work(members, 9)
    store_of(members[1]).file.write_bytes(b"")
    assert epochs_of(world.start_all()) == [0, 0]


def copy_of(world: World, process: int) -> Path:
    place = world.directory / f"process-{process}"
    return Path(shutil.copytree(place, world.directory / "copies" / str(process)))


def put_back(world: World, copy: Path) -> None:
    world.lose(int(copy.name))
    shutil.copytree(copy, world.directory / f"process-{copy.name}")


@pytest.mark.parametrize("process", [0, 1])
def test_all_start_anew_if_a_store_is_from_an_earlier_start(world: World, process: int) -> None:
    members = world.start_all()
    work(members, 9)
    copy = copy_of(world, process)
    members = world.start_all()
    work(members, 15)
    put_back(world, copy)
    assert epochs_of(world.start_all()) == [0, 0]


@pytest.mark.parametrize("process", [0, 1])
def test_all_start_anew_if_a_store_is_an_old_copy_of_the_same_start(
    world: World, process: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The processes count heartbeats in their stores and in Redis."""
    monkeypatch.setattr(cluster_module, "_WATCH_S", 0.01)
    members = world.start_all()
    work(members, 9)
    copy = copy_of(world, process)
    work(members, 15)
    fence = Fence("first", f"dataflow-{process}", 1, "")
    cluster = Cluster(world.client, fence, RUN, process, world.directory, plan_of(RUN))
    with cluster.watch(world.client, members[process], lambda _: None):
        told = f"heartbeats:{process}"
        wait_until(lambda: world.client.hget(keys.RECOVERY, told), "its heart beats")
    put_back(world, copy)
    assert epochs_of(world.start_all()) == [0, 0]


def test_all_start_anew_if_bytewax_would_refuse_the_stores(world: World) -> None:
    """The store that knows the last epoch is older than the other, and Redis knows of neither."""
    members = world.start_all()
    work(members, 9)
    copy = copy_of(world, 0)
    work(members, 15)
    put_back(world, copy)
    assert epochs_of(world.start_all()) == [0, 0]


@pytest.mark.parametrize("dataflows", [1, 3])
def test_another_number_of_processes_and_back_starts_anew(world: World, dataflows: int) -> None:
    work(world.start_all(), 9)
    world.run = replace(RUN, dataflows=dataflows)
    save_run(world.client, world.run)
    assert epochs_of(world.start_all()) == [0] * dataflows
    world.run = RUN
    save_run(world.client, world.run)
    assert epochs_of(world.start_all()) == [0, 0]


def test_a_redis_that_lost_the_agreement_changes_nothing(world: World) -> None:
    work(world.start_all(), 9)
    world.client.delete(keys.RECOVERY)
    assert epochs_of(world.start_all()) == [9, 9]


def test_a_redis_of_an_earlier_generation_starts_anew(world: World) -> None:
    world.start_all()
    earlier = world.client.hgetall(keys.RECOVERY)
    world.lose(0)
    work(world.start_all(), 9)
    assert world.generation == 2
    world.client.delete(keys.RECOVERY)
    world.client.hset(keys.RECOVERY, mapping=earlier)  # type: ignore[arg-type]
    assert epochs_of(world.start_all()) == [0, 0]


def test_versions_that_differ_never_meet(
    world: World, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """In the middle of an upgrade: the one that is upgraded waits until the other is, too."""
    monkeypatch.setattr(cluster_module, "_FIRST_REPORT_S", 0.1)
    work(world.start_all(), 9)
    with monkeypatch.context() as upgrade:
        upgrade.setattr(recovery, "STATE_VERSION", 99)
        upgraded = world.start(0)
    stop = threading.Event()
    old = world.start(1, lambda: not stop.is_set())
    with pytest.raises(TimeoutError):
        upgraded.result(1.0)
    assert any(line.startswith("waiting for dataflow-1: it has ") for line in caplog.messages)
    stop.set()
    with pytest.raises(NotNeededError):
        old.result(30)
    monkeypatch.setattr(recovery, "STATE_VERSION", 99)
    members = [upgraded.result(0) if upgraded.done() else None, world.start(1).result(30)]
    assert upgraded.result(30).epochs == store_epochs(members)


def store_epochs(members: list[Membership | None]) -> tuple[int, ...]:
    assert members[1] is not None
    assert epochs_of([members[1]]) == [0]
    return members[1].epochs


def test_a_run_is_not_continued_with_other_libraries(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither after a restart, nor after all have started anew."""
    for process in (0, 1):
        check_libraries(world.client, fence_of(world.client, f"dataflow-{process}"))
    world.start_all()
    world.lose(0)
    world.start_all()
    assert world.generation == 2
    others = {"numpy": "1.5", "river": "1.5"}
    monkeypatch.setattr(cluster_module, "library_versions", lambda: others)
    with pytest.raises(StackError) as caught:
        check_libraries(world.client, fence_of(world.client, "dataflow-0"))
    assert re.fullmatch(
        r"the run was started with numpy [\d.]+, river [\d.]+, and this process has "
        r"numpy 1.5, river 1.5: install the former, or start over with "
        r"`rushhour prepare --new`",
        str(caught.value),
    )


def test_without_recovery_directories_all_start_together(world: World) -> None:
    for _ in range(2):
        started = [world.start(process, stored=False) for process in (0, 1)]
        assert [future.result(30).store for future in started] == [None, None]
    assert world.generation == 1


def test_a_process_whose_run_was_finished_meanwhile_stops_waiting(world: World) -> None:
    left = iter([True, True, False])
    with pytest.raises(NotNeededError):
        world.start(0, lambda: next(left)).result(30)


def test_a_process_that_another_one_replaced_does_not_enter(world: World) -> None:
    replaced = world.start(0)
    wait_until(lambda: world.client.hexists(keys.RECOVERY, "0"), "it has registered")
    world.start_all()
    with pytest.raises(StackError, match="another dataflow-0 has taken over"):
        replaced.result(30)


@pytest.mark.parametrize("cause", ["start", "generation"])
def test_a_process_ends_when_another_one_starts_again(
    world: World, monkeypatch: pytest.MonkeyPatch, cause: str
) -> None:
    monkeypatch.setattr(cluster_module, "_WATCH_S", 0.01)
    first, _ = world.start_all()
    ended: list[RushhourError] = []
    fence = Fence("first", "dataflow-0", 1, "")
    cluster = Cluster(world.client, fence, RUN, 0, world.directory, plan_of(RUN))
    with cluster.watch(world.client, first, ended.append):
        if cause == "start":
            world.start(1, iter([True] * 20 + [False]).__next__)
        else:
            world.client.hincrby(keys.RECOVERY, "generation", 1)
        wait_until(lambda: bool(ended), "the process is told to end")
    assert ended[0].exit_code == 6
    assert re.fullmatch(
        "(dataflow-1 has started again|the dataflow processes start anew): restart this process, "
        "to start with all others",
        str(ended[0]),
    )


def test_an_older_registration_in_a_restored_redis_ends_no_process(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cluster_module, "_WATCH_S", 0.01)
    world.start_all()
    earlier = world.client.hgetall(keys.RECOVERY)
    first, _ = world.start_all()
    work([first], 9)
    world.client.hset(keys.RECOVERY, mapping=earlier)  # type: ignore[arg-type]
    ended: list[RushhourError] = []
    fence = Fence("first", "dataflow-0", 2, "")
    cluster = Cluster(world.client, fence, RUN, 0, world.directory, plan_of(RUN))
    with cluster.watch(world.client, first, ended.append):
        wait_until(lambda: world.client.hexists(keys.RECOVERY, "heartbeats:0"), "it has looked")
    assert not ended


@pytest.mark.parametrize("seed", range(8))
def test_no_kill_and_no_loss_ever_mixes_stores(
    world: World, monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    """Processes are killed before any write, stores are lost or put back from earlier copies.

    And no kill alone makes the cluster start anew.
    """
    chance = random.Random(seed)
    world.run = replace(RUN, dataflows=chance.choice([2, 3]))
    save_run(world.client, world.run)
    processes = range(world.run.dataflows)
    lives = threading.local()

    def mortal(method: Callable[..., None]) -> Callable[..., None]:
        def run(*args: object) -> None:
            lives.left = getattr(lives, "left", 10**6) - 1
            if lives.left < 0:
                raise KilledError
            method(*args)

        return run

    for owner, name in ((Store, "set_sessions"), (Cluster, "_register")):
        monkeypatch.setattr(owner, name, mortal(getattr(owner, name)))

    def start(process: int, left: int) -> Future[Membership]:
        fence = fence_of(world.client, f"dataflow-{process}")
        cluster = Cluster(
            world.client, fence, world.run, process, world.directory, plan_of(world.run)
        )

        def enter() -> Membership:
            lives.left = left
            return cluster.enter(lambda: not stop.is_set())

        return world.pool.submit(enter)

    copies: list[Path] = []
    sessions = 0
    expected: tuple[int, ...] | None = None
    for _ in range(16):
        stop = threading.Event()
        lefts = dict.fromkeys(processes, 10**6)
        if killed := chance.random() < 0.4:
            lefts[chance.choice(processes)] = chance.randrange(6)
        started = [start(process, left) for process, left in lefts.items()]
        futures.wait(started, timeout=0.4 if killed else 20.0)
        stop.set()
        entered = [future.result() for future in started if future.exception(30) is None]
        assert killed or len(entered) == len(processes)
        if len(entered) == len(processes):  # else no cluster can have worked
            sessions += 1
            histories = {history_of(member) for member in entered}
            assert len(histories) == 1
            assert histories == {expected} or expected is None
            assert len({member.epochs for member in entered}) == 1
            for member in entered:
                add_history(member, sessions)
            expected = (*histories.pop(), sessions)
        if disturb(world, chance, copies):
            expected = None


def disturb(world: World, chance: random.Random, copies: list[Path]) -> bool:
    """Lose a store, copy one, or put a copy back; return whether a store has changed."""
    process = chance.randrange(world.run.dataflows)
    place = world.directory / f"process-{process}"
    what = chance.choice(["nothing", "lose", "copy", "copy", "put back"])
    if what == "lose":
        shutil.rmtree(place, ignore_errors=True)
    elif what == "copy" and place.exists():
        copies.append(world.directory / f"copy-{len(copies)}" / str(process))
        shutil.copytree(place, copies[-1])
    elif what == "put back" and copies:
        copy = chance.choice(copies)
        shutil.rmtree(world.directory / f"process-{copy.name}", ignore_errors=True)
        shutil.copytree(copy, world.directory / f"process-{copy.name}")
    return what in {"lose", "put back"}


def history_of(member: Membership) -> tuple[int, ...]:
    with closing(sqlite3.connect(store_of(member).file)) as database:
        database.execute("CREATE TABLE IF NOT EXISTS history (session INTEGER)")
        return tuple(row[0] for row in database.execute("SELECT session FROM history"))


def add_history(member: Membership, session: int) -> None:
    with closing(sqlite3.connect(store_of(member).file)) as database, database:
        database.execute("INSERT INTO history VALUES (?)", [session])
