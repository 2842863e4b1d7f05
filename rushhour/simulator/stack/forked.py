"""Forks of this process, which have what it has loaded: for processes that share many libraries.

Each of the processes of a pipeline needs half a second of CPU time to load its libraries; most of
that is for those that all of them use.
"""

import ctypes
import logging
import os
import signal
import sys
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import BinaryIO, NoReturn

# What all processes of a pipeline load. No module of these starts a thread when it is loaded.
_SHARED = ("confluent_kafka", "numpy", "rushhour.runtime.process", "rushhour.runtime.records")
_PR_SET_PDEATHSIG, _PR_SET_NAME = 1, 15
_DEFECT = 1
_FIRST_INHERITED, _LAST_INHERITED = 3, 2**31 - 1  # file descriptors after the standard ones


@dataclass
class Fork:
    """A fork: its process id, the other end of its standard input, and how it ended."""

    pid: int
    stdin: BinaryIO
    returncode: int | None = None


def fork(name: str, log: Path, work: Callable[[], None]) -> Fork:
    """Start `work` in a fork of this process, in a session of its own.

    The kernel kills it if this process dies. It has none of the open files of this process.

    Parameters
    ----------
    name
        What `ps` and `top` show as its command.
    log
        File that its output is written to.

    Raises
    ------
    OSError
        If it cannot be started, or its log not be written.
    """
    for module in _SHARED:
        import_module(module)
    sys.stdout.flush()
    sys.stderr.flush()
    reading, writing = os.pipe()
    try:
        output = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o666)
        try:
            parent, pid = os.getpid(), os.fork()
            if pid == 0:
                _work(name, parent, reading, output, work)
        finally:
            os.close(output)
    except OSError:
        os.close(writing)
        raise
    finally:
        os.close(reading)
    return Fork(pid, os.fdopen(writing, "wb"))


def die_with_parent() -> None:
    """Let the kernel kill this process when its parent dies (Linux)."""
    # SIGKILL: the broker dies too, and a dataflow that ends orderly would wait minutes for it.
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def _work(name: str, parent: int, stdin: int, output: int, work: Callable[[], None]) -> NoReturn:
    """Become a process of its own, and end with the work."""
    try:
        die_with_parent()
        if os.getppid() != parent:
            os._exit(_DEFECT)  # it has died meanwhile
        ctypes.CDLL(None).prctl(_PR_SET_NAME, name.encode())
        os.setsid()
        signal.signal(signal.SIGINT, signal.default_int_handler)
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        for descriptor, standard in ((stdin, 0), (output, 1), (output, 2)):
            os.dup2(descriptor, standard)
        os.closerange(_FIRST_INHERITED, _LAST_INHERITED)
        sys.stdin = os.fdopen(0, encoding="utf-8")
        sys.stdout = os.fdopen(1, "w", encoding="utf-8")
        sys.stderr = os.fdopen(2, "w", encoding="utf-8", errors="backslashreplace")
        logging.root.handlers.clear()  # their files are those of the parent
        work()
        os._exit(0)
    except BaseException:
        traceback.print_exc()
        sys.stderr.flush()
    os._exit(_DEFECT)
