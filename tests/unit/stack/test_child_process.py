"""A child process: how its end is reported, how it is stopped, and what it costs."""

import json
import signal
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from rushhour.core.errors import StackError
from rushhour.simulator.stack.child_process import ChildProcess

Start = Callable[..., ChildProcess]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """A function that starts a Python program as the process `consumer`."""
    started: list[ChildProcess] = []

    def run(program: str, name: str = "consumer") -> ChildProcess:
        log = tmp_path / f"{len(started)}.log"
        started.append(ChildProcess(name, (sys.executable, "-c", program), log))
        return started[-1]

    yield run
    for process in started:
        process.stop()


def failure(process: ChildProcess) -> StackError:
    assert process.wait(10.0)
    with pytest.raises(StackError) as caught:
        process.check()
    return caught.value


@pytest.mark.parametrize("name", ["consumer", "consumer-1"])
@pytest.mark.parametrize(
    "line", ["consumer: Redis is gone", json.dumps({"level": "error", "message": "Redis is gone"})]
)
def test_a_failure_has_the_last_message_in_either_format(
    start: Start, line: str, name: str
) -> None:
    process = start(f"print('first'); print({line!r}); print(); exit(5)", name)
    error = failure(process)
    assert str(error) == (f"the {name} ended with exit code 5: Redis is gone (log: {process.log})")
    assert error.exit_code == 5


@pytest.mark.parametrize(("code", "exit_code"), [(1, 6), (2, 2), (3, 3), (4, 4), (6, 6), (77, 6)])
def test_the_exit_code_of_a_failure_tells_errors_of_the_user_apart(
    start: Start, code: int, exit_code: int
) -> None:
    assert failure(start(f"exit({code})")).exit_code == exit_code


def test_a_killed_process_is_named_with_its_signal(start: Start) -> None:
    process = start("import os; os.kill(os.getpid(), 9)")
    assert str(failure(process)) == f"the consumer was killed by signal 9 (log: {process.log})"


def test_success_is_no_failure(start: Start) -> None:
    process = start("pass")
    process.check()
    assert process.wait(10.0)
    process.check()
    assert process.exit_code == 0
    assert process.cost is not None
    assert process.cost.cpu_s > 0


def test_a_process_that_ignores_sigterm_is_killed(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("rushhour.simulator.stack.child_process._STOP_S", 0.3)
    ignore = "import signal, time; signal.signal(15, signal.SIG_IGN); print(1, flush=True)"
    process = start(f"{ignore}; time.sleep(60)")
    deadline = time.monotonic() + 10.0
    while process.last_message() != "1" and time.monotonic() < deadline:
        time.sleep(0.01)
    process.stop()
    assert process.exit_code == -signal.SIGKILL


@pytest.fixture
def loading(tmp_path: Path) -> Iterator[ChildProcess]:
    """A consumer that loads its libraries and waits for its settings."""
    process = ChildProcess.loading("consumer-1", "consumers", "consumer", tmp_path / "log")
    yield process
    process.stop()


def test_a_process_that_was_loading_begins_with_the_settings_that_it_gets(
    loading: ChildProcess,
) -> None:
    loading.begin({"RUSHHOUR_AHEAD_HOURS": "0"})
    assert loading.wait(60.0)
    assert loading.exit_code == 2
    assert loading.last_message().startswith("ahead_hours '0' is invalid")


def test_a_process_that_gets_no_settings_ends_without_a_word(loading: ChildProcess) -> None:
    """As when `up` is killed before it knows them."""
    assert loading._process.stdin is not None
    loading._process.stdin.close()
    assert loading.wait(60.0)
    assert (loading.exit_code, loading.log_lines()) == (0, [""])


def test_a_process_that_died_while_loading_is_reported_by_its_check(loading: ChildProcess) -> None:
    loading.stop()
    loading.begin({})
    with pytest.raises(StackError, match=r"^the consumer-1 was killed by signal 15"):
        loading.check()


def test_a_program_that_does_not_exist_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(StackError, match=r"^the consumer could not be started: .*No such file"):
        ChildProcess("consumer", ("/nonexistent",), tmp_path / "log")


def test_without_a_log_there_is_no_message(start: Start) -> None:
    process = start("print('one')")
    process.wait(10.0)
    process.log.unlink()
    assert (process.last_message(), process.log_lines()) == ("", [])
