"""The account of a process tree."""

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import msgspec
import pytest

from benchmarks.peers.supervise import Account

ROOT = Path(__file__).parents[3]
MIB = 1024 * 1024
SPEND = "import time\nwhile time.process_time() < {}: pass"


def account_of(directory: Path, command: Sequence[str], limit_s: float = 120.0) -> Account:
    file = directory / "account.json"
    supervisor = [sys.executable, "-m", "benchmarks.peers.supervise", str(file), str(limit_s)]
    subprocess.run([*supervisor, *command], cwd=ROOT, check=True)
    return msgspec.json.decode(file.read_bytes(), type=Account)


def account(directory: Path, code: str) -> Account:
    return account_of(directory, [sys.executable, "-c", code])


def test_children_that_lost_their_parent_are_in_the_account(tmp_path: Path) -> None:
    start = (
        f"subprocess.Popen([sys.executable, '-c', {SPEND.format(0.6)!r}], start_new_session=True)"
    )
    done = account(tmp_path, f"import subprocess, sys\n{start}")
    assert done.exit_code == 0
    assert done.cpu_s >= 0.6


def test_memory_is_that_of_all_processes_together(tmp_path: Path) -> None:
    hold = f"held = b'x' * {100 * MIB}"
    child = f"{hold}; import time; time.sleep(1)"
    code = f"import subprocess, sys; {hold}; subprocess.run([sys.executable, '-c', {child!r}])"
    assert account(tmp_path, code).peak_bytes >= 200 * MIB


def test_the_exit_code_is_that_of_the_command(tmp_path: Path) -> None:
    assert account(tmp_path, "raise SystemExit(3)").exit_code == 3


def test_a_tree_that_is_over_its_time_is_killed(tmp_path: Path) -> None:
    child = tmp_path / "child"
    code = f"sleep 600 & echo $! > {child}; wait"
    done = account_of(tmp_path, ["sh", "-c", code], limit_s=2.0)
    assert done.exit_code is None
    with pytest.raises(ProcessLookupError):
        os.kill(int(child.read_text()), 0)
