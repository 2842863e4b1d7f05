"""Starts child processes from one thread that outlives them.

The kernel ends a child when the thread that has started it ends, and faults run in short-lived
threads.
"""

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from rushhour.simulator.stack.child_process import ChildProcess

_starter = ThreadPoolExecutor(1, thread_name_prefix="starter")


def launch(
    name: str, command: Sequence[str], log: Path, env: Mapping[str, str] | None = None
) -> ChildProcess:
    """Start a program."""
    return _starter.submit(ChildProcess, name, command, log, env).result()


def launch_python(name: str, module: str, log: Path, env: Mapping[str, str]) -> ChildProcess:
    """Start a module of this installation."""
    return _starter.submit(ChildProcess.python, name, module, log, env).result()
