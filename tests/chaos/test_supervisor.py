"""The supervisor: what it starts again, what it gives up, and that a world sees a wrong number."""

import signal
from pathlib import Path

import pytest

from tests.chaos.__main__ import run
from tests.chaos.faults import FAULTS, Ending, Fault
from tests.chaos.schedule import Schedule, Step, Trigger
from tests.chaos.supervisor import End, Supervisor
from tests.chaos.world import Reference, World
from tests.fixtures.waiting import wait_until

ENDS_WELL, STAYS, FAILS = "this", "stays", "no_such_module"


def supervisor(directory: Path, module: str) -> Supervisor:
    (directory / f"{STAYS}.py").write_text("import time; time.sleep(600)")
    environment = {"PYTHONPATH": str(directory)}
    found = Supervisor(directory, {"consumer-0": (module, environment)})
    found.start()
    return found


def step(found: Supervisor, *, quiet: bool = True) -> End | None:
    return found.step(progress=False, quiet=quiet)


def test_a_process_that_ends_well_is_done(tmp_path: Path) -> None:
    found = supervisor(tmp_path, ENDS_WELL)
    wait_until(lambda: step(found) or found.is_done(), "it is done")
    assert [end.code for end in found.ends] == [0]


def test_a_process_that_fails_again_and_again_is_given_up(tmp_path: Path) -> None:
    found = supervisor(tmp_path, FAILS)
    stopped = wait_until(lambda: step(found), "it is given up")
    assert (stopped.process, stopped.code) == ("consumer-0", 1)
    assert "No module named" in stopped.line
    assert len(found.ends) == 5


def test_a_process_is_not_given_up_while_a_fault_is_at_work(tmp_path: Path) -> None:
    found = supervisor(tmp_path, FAILS)
    wait_until(lambda: step(found, quiet=False) or len(found.ends) == 7, "it has failed 7 times")
    found.kill()


def test_a_killed_process_is_started_again_and_a_replaced_one_is_not(tmp_path: Path) -> None:
    def runs_after(ends: int) -> int | None:
        step(found)
        return found.pid_of("consumer-0") if len(found.ends) == ends else None

    found = supervisor(tmp_path, STAYS)
    first = wait_until(lambda: runs_after(0), "it runs")
    found.signal(first, signal.SIGKILL)
    second = wait_until(lambda: runs_after(1), "it runs again")
    found.replace("consumer-0")
    found.signal(second, signal.SIGKILL)
    third = wait_until(lambda: runs_after(2), "the replaced one has ended")
    assert len({first, second, third}) == 3
    assert found.name_of(first) == found.name_of(second) == "consumer-0"
    found.kill()


def test_a_replaced_process_that_works_on_is_reported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tests.chaos.supervisor._END_S", 0.2)
    found = supervisor(tmp_path, STAYS)
    found.replace("consumer-0")
    assert found.stop() == ["consumer-0"]


def test_a_world_sees_one_wrong_number(
    reference: Reference, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def tamper(world: World, _target: str) -> Ending | None:
        world.pipeline.redis.client.hincrby("rides:2024-10-01T02", "132", 1)
        return None

    monkeypatch.setitem(FAULTS, "tamper", Fault(tamper))
    trigger = Trigger("consumer", "consumer.closed", 5)
    report = run(tmp_path / "run", Schedule((Step(trigger, "tamper"),)), reference)
    assert report.outcome == "different"
    (problem,) = report.problems
    assert problem.startswith("differs: rides:2024-10-01T02: 132")
