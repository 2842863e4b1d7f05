"""Run a command and account for its whole process tree: `python -m benchmarks.peers.supervise`.

    python -m benchmarks.peers.supervise ACCOUNT LIMIT_S COMMAND...

A process of its own for each command, because the kernel adds up the CPU time of all children that
a process has waited for, and because descendants that lose their parent (a JVM, a daemon) are
handed to it: it is a subreaper. So no CPU time is lost, however short a process lives. Linux only.

Source: prctl(2), PR_SET_CHILD_SUBREAPER; getrusage(2), RUSAGE_CHILDREN; proc(5).
"""

import ctypes
import json
import os
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

_PR_SET_CHILD_SUBREAPER = 36
_SAMPLE_S = 0.02
_STOP_S = 10.0  # for descendants that outlive the command
_PAGE = resource.getpagesize()


@dataclass(frozen=True, slots=True)
class Account:
    """What a command has used.

    Parameters
    ----------
    wall_s
        Seconds from its start to its end.
    cpu_s
        User and system CPU seconds of all its processes.
    peak_bytes
        Largest sum of the resident memory of its processes at one time, sampled 50 times a second.
        Pages that processes share count for each of them.
    exit_code
        Its exit code; None if it was over its time and killed.
    """

    wall_s: float
    cpu_s: float
    peak_bytes: int
    exit_code: int | None


def run(command: Sequence[str], limit_s: float) -> Account:
    """Run a command to its end, with all its descendants. Only once per process."""
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    started = time.monotonic()
    main = subprocess.Popen(command, stdin=subprocess.DEVNULL)
    peak = 0
    exit_code: int | None = None
    while True:
        peak = max(peak, sum(map(_resident, descendants(os.getpid()))))
        ended = _reap()
        if main.pid in ended:
            exit_code = main.returncode = ended[main.pid]
            break
        if time.monotonic() - started > limit_s:
            break
        time.sleep(_SAMPLE_S)
    wall_s = time.monotonic() - started
    _end_all(wait_s=_STOP_S if exit_code is not None else 0.0)
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return Account(wall_s, usage.ru_utime + usage.ru_stime, peak, exit_code)


def descendants(pid: int) -> list[int]:
    """Return the ids of all processes below one."""
    found: list[int] = []
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        with suppress(OSError):  # it has ended meanwhile
            for child in map(int, task.read_text().split()):
                found += [child, *descendants(child)]
    return found


def _resident(pid: int) -> int:
    try:
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * _PAGE
    except (OSError, IndexError):
        return 0


def _reap() -> dict[int, int]:
    """Wait for children that have ended; return their exit codes."""
    ended: dict[int, int] = {}
    with suppress(ChildProcessError):
        while (found := os.waitpid(-1, os.WNOHANG))[0]:
            ended[found[0]] = os.waitstatus_to_exitcode(found[1])
    return ended


def _end_all(wait_s: float) -> None:
    """Wait for what is left of the tree, then kill it, and account for it."""
    deadline = time.monotonic() + wait_s
    while left := descendants(os.getpid()):
        if time.monotonic() > deadline:
            for pid in left:
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
        _reap()
        time.sleep(_SAMPLE_S)


def main() -> None:
    """Run the command line's command and write its account as JSON."""
    account, limit_s, *command = sys.argv[1:]
    signal.signal(signal.SIGTERM, lambda *_: _interrupted())
    signal.signal(signal.SIGINT, lambda *_: _interrupted())
    Path(account).write_text(json.dumps(asdict(run(command, float(limit_s)))))


def _interrupted() -> None:
    _end_all(0.0)
    sys.exit(130)


if __name__ == "__main__":
    main()
