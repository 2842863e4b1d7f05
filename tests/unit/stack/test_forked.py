"""Forks of this process."""

import os
import signal
import sys
from pathlib import Path

import pytest

from rushhour.core.errors import StackError
from rushhour.simulator.stack.child_process import ChildProcess

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="processes are forked on Linux")


def show_state() -> None:
    files = sorted(os.listdir("/proc/self/fd"), key=int)[:-1]  # without that of the listing
    print(*files, os.getsid(0) == os.getpid(), str(signal.getsignal(signal.SIGTERM)))
    print(Path("/proc/self/comm").read_text().strip(), sys.stdin.read(), flush=True)


def test_a_fork_has_a_session_of_its_own_and_no_open_files_of_its_parent(tmp_path: Path) -> None:
    before = signal.signal(signal.SIGTERM, signal.SIG_IGN)
    try:
        with (tmp_path / "lock").open("w"):
            process = ChildProcess("consumer-1", show_state, tmp_path / "log")
            process.begin({"a": "b"})
            assert process.wait(10.0)
    finally:
        signal.signal(signal.SIGTERM, before)
    assert process.exit_code == 0
    assert process.log_lines() == [f"0 1 2 True {int(signal.SIG_DFL)}", 'consumer-1 {"a": "b"}', ""]
    assert process.cost is not None


def test_what_a_fork_raises_is_in_its_log_and_goes_no_further(tmp_path: Path) -> None:
    def work() -> None:
        raise RuntimeError("broken")

    process = ChildProcess("consumer", work, tmp_path / "log")
    assert process.wait(10.0)
    assert process.exit_code == 1
    assert process.last_message() == "RuntimeError: broken"


def test_a_log_that_cannot_be_written_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(StackError, match=r"^the consumer could not be started: .*Is a directory"):
        ChildProcess("consumer", show_state, tmp_path)
