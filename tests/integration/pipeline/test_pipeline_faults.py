"""Nothing changes what a run computes: not its speed, its number of processes, nor any kill."""

import os
import pickle
import re
import shutil
import signal
import sqlite3
import sys
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from rushhour.core import keys
from rushhour.core.clock import Command
from rushhour.core.hours import HOUR_MS
from rushhour.core.topics import ALERTS, HOURLY_RIDES, PREDICTIONS, TRIPS
from rushhour.core.zones import ZONE_IDS
from rushhour.runtime.kafka_topics import end_offsets
from rushhour.simulator.commands.controls import send_command
from rushhour.simulator.stack import process_specs as specs_module
from rushhour.simulator.stack import stack as stack_module
from rushhour.simulator.stack.child_process import ChildProcess
from rushhour.simulator.stack.process_specs import ProcessSpec, process_specs
from rushhour.simulator.stack.stack import Stack
from rushhour.storage.clock import last_hour_closed, load_status
from rushhour.storage.runs import load_run
from tests.fixtures.pipeline import (
    ODD_ROWS,
    TWO_DAYS,
    PipelineRunner,
    RunResult,
    hours_closed,
    messages_on,
)
from tests.fixtures.trips import TripRow, write_trips
from tests.fixtures.waiting import wait_until

EVENT_TOPICS = (HOURLY_RIDES, PREDICTIONS, ALERTS)


@pytest.fixture(scope="module")
def undisturbed(pipeline: PipelineRunner, trip_file: Path) -> RunResult:
    result = pipeline(trip_file, TWO_DAYS)
    assert result.hash("quality")["hours_closed"] == "48"
    return result


def assert_same(found: RunResult, expected: RunResult) -> None:
    """Compare key by key, so that a failure names the first key that differs."""
    assert found.keys.keys() == expected.keys.keys()
    for key, value in expected.keys.items():
        assert found.keys[key] == value, key


def test_neither_the_speed_nor_the_hours_ahead_matter(
    pipeline: PipelineRunner, trip_file: Path, undisturbed: RunResult
) -> None:
    assert_same(pipeline(trip_file, TWO_DAYS, speed="2d/s", ahead_hours=168), undisturbed)


def test_neither_workers_nor_the_order_of_rows_matter(
    pipeline: PipelineRunner,
    rows: list[TripRow],
    undisturbed: RunResult,
    tmp_path: Path,
) -> None:
    backwards = write_trips(tmp_path / "backwards.parquet", [*reversed(rows), *ODD_ROWS])
    assert_same(pipeline(backwards, TWO_DAYS, workers=2, ahead_hours=1), undisturbed)


@pytest.mark.also_on_kafka
def test_any_number_of_processes_may_share_the_run(
    pipeline: PipelineRunner, trip_file: Path, undisturbed: RunResult
) -> None:
    found = pipeline(trip_file, TWO_DAYS, dataflows=3, consumers=2)

    assert (found.run["dataflows"], found.run["consumers"]) == ("3", "2")
    assert_same(found, undisturbed)


def kill(stack: Stack, name: str, closed: int = 16) -> None:
    """Kill a process when so many of the 48 hours are closed."""

    def enough() -> bool:
        stack.is_done()
        return hours_closed(stack) >= closed

    wait_until(enough, f"{closed} hours are closed")
    os.kill(stack.processes[name].pid, signal.SIGKILL)
    wait_until(lambda: stack.processes[name].poll() == -signal.SIGKILL, f"the {name} has ended")
    assert hours_closed(stack) < 40


def restart(stack: Stack, *names: str, **changes: object) -> None:
    """Start processes that have ended, with the settings of the pipeline or changed ones."""
    for spec in specs_of(stack, **changes):
        if spec.name in names:
            start_again(stack, spec)


def specs_of(stack: Stack, **changes: object) -> list[ProcessSpec]:
    """Return the processes of the pipeline; those of a cluster get new addresses in each call."""
    servers = {"kafka": stack.kafka.bootstrap, "redis": stack.redis_address.url}
    settings = stack.settings.model_copy(update=servers | changes)
    return process_specs(settings, load_run(stack.client))


def start_again(stack: Stack, spec: ProcessSpec) -> None:
    again = replace(spec, name=f"{spec.name}-again")
    stack.processes[spec.name] = start_process(again, stack.directory)


@pytest.mark.also_on_kafka
def test_a_consumer_killed_and_restarted_leaves_the_same_redis(
    pipeline: PipelineRunner, trip_file: Path, undisturbed: RunResult
) -> None:
    def disturb(stack: Stack) -> None:
        kill(stack, "consumer")
        restart(stack, "consumer")

    assert_same(pipeline(trip_file, TWO_DAYS, disturb, speed="1d/s"), undisturbed)


# A dataflow with recovery, and with short epochs so that no test waits long.

SHORT_EPOCHS = """
import runpy
from datetime import timedelta
import dataflows.recovery

dataflows.recovery.EPOCH = timedelta(seconds=0.3)
runpy.run_module("dataflows", run_name="__main__", alter_sys=True)
"""


def start_process(spec: ProcessSpec, directory: Path) -> ChildProcess:
    """Start a process of the pipeline; a dataflow with short epochs."""
    if spec.module != "dataflows":
        return specs_module.start_process(spec, directory)
    command = [sys.executable, "-P", "-c", SHORT_EPOCHS]
    log = directory / f"{spec.name}.log"
    return ChildProcess(spec.name, command, log, spec.settings.as_environment())


@pytest.fixture
def recovery(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The recovery directory of a dataflow that makes a snapshot several times a second."""
    monkeypatch.setattr(stack_module, "start_process", start_process)
    return tmp_path


def stored(recovery: Path, dataflows: int) -> dict[int, int]:
    """Return the offsets of `trips` from which a restarted dataflow would resume."""
    offsets: dict[int, list[tuple[int, int]]] = {}
    frontiers: list[int] = []
    for store in recovery.glob("*/*-of-*/*.sqlite3"):
        with closing(sqlite3.connect(f"{store.as_uri()}?mode=ro", uri=True)) as database:
            fronts = database.execute("SELECT worker_frontier FROM fronts")
            frontiers += [epoch for (epoch,) in fronts]
            for epoch, state in database.execute(
                "SELECT snap_epoch, ser_change FROM snaps WHERE step_id = ?", ["rushhour.trips"]
            ):
                for partition, position in pickle.loads(state).items():
                    offsets.setdefault(partition, []).append((epoch, position.offset))
    done = min(frontiers) if len(frontiers) == dataflows else 0  # epochs before it are whole
    return {
        partition: max((offset for epoch, offset in found if epoch < done), default=0)
        for partition, found in offsets.items()
    }


@pytest.mark.parametrize("dataflows", [1, 2])
@pytest.mark.also_on_kafka
def test_a_dataflow_resumes_from_its_last_snapshot(
    pipeline: PipelineRunner,
    trip_file: Path,
    undisturbed: RunResult,
    recovery: Path,
    dataflows: int,
) -> None:
    """Killed while the clock is paused and a snapshot covers everything: no hour is sent twice."""
    names = ["dataflow"] if dataflows == 1 else [f"dataflow-{i}" for i in range(dataflows)]

    def disturb(stack: Stack) -> None:
        wait_until(lambda: hours_closed(stack) >= 12, "12 hours are closed")
        clock = send_command(stack.client, Command("pause"))
        sent = (clock.now_ts - load_run(stack.client).start_ts) // HOUR_MS
        wait_until(lambda: hours_closed(stack) == sent, "everything sent is closed")
        ends = end_offsets(stack.kafka, [TRIPS])[TRIPS]
        wait_until(lambda: stored(recovery, dataflows) == ends, "a snapshot covers it")
        for name in names:
            os.kill(stack.processes[name].pid, signal.SIGKILL)
        for name in names:
            assert stack.processes[name].wait(10.0)
        restart(stack, *names)
        send_command(stack.client, Command("resume"))
        wait_until(stack.is_done, "the pipeline is done")
        events.update({topic: messages_on(stack, topic) for topic in (HOURLY_RIDES, PREDICTIONS)})

    events: dict[str, int] = {}
    flags = {"speed": "12h/s", "dataflows": dataflows, "recovery_dir": recovery}
    found = pipeline(trip_file, TWO_DAYS, disturb, **flags)
    assert events == {HOURLY_RIDES: 48 * len(ZONE_IDS), PREDICTIONS: 49 * len(ZONE_IDS)}
    assert_same(found, undisturbed)


@pytest.mark.also_on_kafka
def test_a_dataflow_killed_and_restarted_leaves_the_same_redis(
    pipeline: PipelineRunner,
    trip_file: Path,
    undisturbed: RunResult,
    recovery: Path,
) -> None:
    def disturb(stack: Stack) -> None:
        wait_until(lambda: any(stored(recovery, 1).values()), "a snapshot exists")
        kill(stack, "dataflow")
        restart(stack, "dataflow")

    found = pipeline(trip_file, TWO_DAYS, disturb, speed="12h/s", recovery_dir=recovery)
    assert_same(found, undisturbed)


@pytest.mark.parametrize("killed", [0, 1])
def test_a_cluster_ends_when_one_is_killed_and_resumes_when_all_restart(
    pipeline: PipelineRunner,
    trip_file: Path,
    undisturbed: RunResult,
    recovery: Path,
    killed: int,
) -> None:
    def disturb(stack: Stack) -> None:
        wait_until(lambda: any(stored(recovery, 2).values()), "a snapshot exists")
        kill(stack, f"dataflow-{killed}")
        other = stack.processes[f"dataflow-{1 - killed}"]
        assert other.wait(20.0)
        assert other.exit_code == 6
        assert other.log.read_text("utf-8").splitlines()[-1] == (
            "dataflow: lost the connection to another dataflow process: restart all of them"
        )
        restart(stack, "dataflow-0", "dataflow-1")

    found = pipeline(
        trip_file, TWO_DAYS, disturb, speed="12h/s", dataflows=2, recovery_dir=recovery
    )
    assert_same(found, undisturbed)


def kill_all(stack: Stack, recovery: Path, dataflows: int) -> list[str]:
    """Kill the dataflow once a snapshot exists and an hour is closed; return the processes."""
    names = ["dataflow"] if dataflows == 1 else [f"dataflow-{i}" for i in range(dataflows)]
    wait_until(lambda: any(stored(recovery, dataflows).values()), "a snapshot exists")
    kill(stack, names[0])
    for name in names[1:]:
        os.kill(stack.processes[name].pid, signal.SIGKILL)
        assert stack.processes[name].wait(20.0)
    return names


@pytest.mark.parametrize(("dataflows", "lost"), [(1, {0}), (2, {0}), (2, {1}), (2, {0, 1})])
def test_a_dataflow_that_lost_recovery_stores_starts_anew(
    pipeline: PipelineRunner,
    trip_file: Path,
    undisturbed: RunResult,
    recovery: Path,
    dataflows: int,
    lost: set[int],
) -> None:
    def disturb(stack: Stack) -> None:
        names = kill_all(stack, recovery, dataflows)
        for process in lost:
            shutil.rmtree(recovery / f"process-{process}")
        restart(stack, *names)

    found = pipeline(
        trip_file, TWO_DAYS, disturb, speed="12h/s", dataflows=dataflows, recovery_dir=recovery
    )
    assert_same(found, undisturbed)


@pytest.mark.parametrize(("dataflows", "process"), [(1, 0), (2, 0), (2, 1)])
def test_a_recovery_store_that_is_put_back_from_a_copy_leaves_the_same_redis(
    pipeline: PipelineRunner,
    trip_file: Path,
    undisturbed: RunResult,
    recovery: Path,
    dataflows: int,
    process: int,
) -> None:
    """A single process resumes from the copy, a cluster starts anew."""

    def disturb(stack: Stack) -> None:
        wait_until(lambda: any(stored(recovery, dataflows).values()), "a snapshot exists")
        own = recovery / f"process-{process}"
        name = "dataflow" if dataflows == 1 else f"dataflow-{process}"
        # Held, so that the copy is of one moment.
        os.kill(stack.processes[name].pid, signal.SIGSTOP)
        copy = Path(shutil.copytree(own, recovery / "copies" / "of" / own.name))
        os.kill(stack.processes[name].pid, signal.SIGCONT)
        names = kill_all(stack, recovery, dataflows)
        shutil.rmtree(own)
        copy.rename(own)
        restart(stack, *names)

    found = pipeline(
        trip_file, TWO_DAYS, disturb, speed="12h/s", dataflows=dataflows, recovery_dir=recovery
    )
    assert_same(found, undisturbed)


@pytest.mark.parametrize("replaced", [0, 1])
def test_a_cluster_ends_and_resumes_when_a_second_process_takes_the_place_of_a_frozen_one(
    pipeline: PipelineRunner,
    trip_file: Path,
    undisturbed: RunResult,
    recovery: Path,
    replaced: int,
) -> None:
    def disturb(stack: Stack) -> None:
        wait_until(lambda: any(stored(recovery, 2).values()), "a snapshot exists")
        wait_until(lambda: hours_closed(stack) >= 8, "8 hours are closed")
        specs = {spec.name: spec for spec in specs_of(stack)}
        frozen, other = (stack.processes[f"dataflow-{i}"] for i in (replaced, 1 - replaced))
        os.kill(frozen.pid, signal.SIGSTOP)
        try:
            start_again(stack, specs[frozen.name])
            assert other.wait(30.0)
            assert other.exit_code == 6
            start_again(stack, specs[other.name])
            wait_until(lambda: hours_closed(stack) >= 16, "the new processes work", 40.0)
        finally:
            os.kill(frozen.pid, signal.SIGCONT)
        assert frozen.wait(30.0)
        assert frozen.exit_code == 6

    found = pipeline(
        trip_file,
        TWO_DAYS,
        disturb,
        speed="6h/s",
        dataflows=2,
        recovery_dir=recovery,
    )
    assert_same(found, undisturbed)


@pytest.mark.also_on_kafka
def test_a_dataflow_restarted_after_its_end_sends_nothing(
    pipeline: PipelineRunner,
    trip_file: Path,
    undisturbed: RunResult,
    recovery: Path,
) -> None:
    """First while the consumer is not done, so that only the store knows; then when all is done."""

    def disturb(stack: Stack) -> None:
        consumer = stack.processes["consumer"].pid
        os.kill(consumer, signal.SIGSTOP)
        wait_until(lambda: stack.processes["dataflow"].poll() == 0, "the dataflow is done")
        events = [messages_on(stack, topic) for topic in EVENT_TOPICS]
        for again in (1, 2):
            restart(stack, "dataflow")
            wait_until(lambda: stack.processes["dataflow"].poll() == 0, "the next one is done too")
            assert [messages_on(stack, topic) for topic in EVENT_TOPICS] == events
            if again == 1:
                assert hours_closed(stack) < 48
                os.kill(consumer, signal.SIGCONT)
                wait_until(stack.is_done, "the pipeline is done")
        message = stack.processes["dataflow"].last_message()
        assert re.fullmatch("nothing to do: run .* is finished", message)

    found = pipeline(trip_file, TWO_DAYS, disturb, ahead_hours=168, recovery_dir=recovery)
    assert_same(found, undisturbed)


@pytest.mark.also_on_kafka
def test_a_producer_killed_and_restarted_leaves_the_same_redis(
    pipeline: PipelineRunner, trip_file: Path, undisturbed: RunResult
) -> None:
    def ahead(stack: Stack) -> bool:
        status, closed = load_status(stack.client), last_hour_closed(stack.client)
        return status is not None and closed is not None and status.now_ts - closed > 4 * HOUR_MS

    def disturb(stack: Stack) -> None:
        """The consumer sleeps meanwhile, so that the second producer resumes hours before."""
        consumer = stack.processes["consumer"].pid
        wait_until(lambda: stack.client.hget(keys.QUALITY, "hours_closed"), "an hour is closed")
        os.kill(consumer, signal.SIGSTOP)
        wait_until(lambda: ahead(stack), "the replay has run ahead")
        kill(stack, "producer", closed=1)
        restart(stack, "producer", speed="max")
        before = messages_on(stack, TRIPS)
        wait_until(lambda: messages_on(stack, TRIPS) > before, "the second producer sends")
        os.kill(consumer, signal.SIGCONT)
        logs.append(stack.processes["dataflow"].log)

    logs: list[Path] = []
    found = pipeline(trip_file, TWO_DAYS, disturb, speed="1d/s")

    assert found.trips_sent > undisturbed.trips_sent  # it did send trips twice
    assert_same(found, undisturbed)
    assert "duplicate trips" in logs[0].read_text("utf-8")
