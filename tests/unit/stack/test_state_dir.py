"""The state directory: whose it is, and that two runs do not share it."""

import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from rushhour.core.errors import StackError
from rushhour.simulator.stack.state_dir import hold_state_dir

HOLD = """
import sys
from pathlib import Path
from rushhour.simulator.stack.state_dir import hold_state_dir
with hold_state_dir(Path(sys.argv[1])):
    print(flush=True)
    input()
"""


def held_by(directory: Path) -> str:
    """Return how the message names the holder."""
    with pytest.raises(StackError) as caught, hold_state_dir(directory):
        pass
    text = str(caught.value)
    assert text.endswith("stop it first, or give this one another --state-dir")
    return text.partition(")")[0]


def test_it_is_created_for_the_user_only_and_an_existing_one_is_left_as_it_is(
    tmp_path: Path,
) -> None:
    created, existing = tmp_path / "a" / "state", tmp_path / "existing"
    existing.mkdir()
    existing.chmod(0o755)
    for directory, mode in ((created, 0o700), (existing, 0o755)):
        with hold_state_dir(directory):
            assert stat.S_IMODE(directory.stat().st_mode) == mode
            assert stat.S_IMODE((directory / "lock").stat().st_mode) == 0o600


def test_it_is_held_by_one_at_a_time(tmp_path: Path) -> None:
    for _ in range(2):
        with hold_state_dir(tmp_path):
            holder = f"(process {os.getpid()}, state directory {tmp_path}"
            assert held_by(tmp_path) == f"a run is live already {holder}"


def test_a_killed_process_holds_it_no_more(tmp_path: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        process.stdout.readline()
        assert f"(process {process.pid}, " in held_by(tmp_path)
        process.kill()
        process.wait()
        with hold_state_dir(tmp_path):
            pass


@pytest.mark.parametrize("path", ["file", "file/state"])
def test_one_that_cannot_be_written_is_one_line(tmp_path: Path, path: str) -> None:
    (tmp_path / "file").touch()
    with (
        pytest.raises(StackError, match=r"^state directory .*: (File exists|Not a directory)$"),
        hold_state_dir(tmp_path / path),
    ):
        pass
