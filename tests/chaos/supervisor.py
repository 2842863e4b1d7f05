"""Starts the processes of a run, and restarts those that end with a failure, as Compose does."""

import os
import signal
import threading
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from rushhour.core.errors import INTERRUPTED, StackError
from rushhour.simulator.stack.child_process import ChildProcess
from tests.chaos.launch import launch_python

# A process that ends so many times in a row with the same code, without progress, has stopped.
_ENDS = 5
_FIRST_DELAY_S = 0.2
_LONGEST_DELAY_S = 1.5
_END_S = 20.0
_DEFECT = 1


@dataclass(frozen=True, slots=True)
class End:
    """How one incarnation of a process ended, and the last line of its log.

    A code below 0 is a signal.
    """

    process: str
    code: int
    line: str

    def __str__(self) -> str:
        return f"{self.process} stopped with exit code {self.code}: {self.line}"


@dataclass(slots=True)
class _Member:
    """One process of the run, over all its incarnations."""

    name: str
    module: str
    environment: Mapping[str, str]
    current: ChildProcess | None = None
    started: int = 0
    replaced: list[ChildProcess] = field(default_factory=list)
    ends_in_a_row: int = 0
    last_code: int | None = None
    restart_at: float = 0.0
    done: bool = False


class Supervisor:
    """The processes of one run.

    Parameters
    ----------
    directory
        Where their logs are, one file for each incarnation.
    members
        Name -> module and environment, in the order in which they are started.
    """

    def __init__(
        self, directory: Path, members: Mapping[str, tuple[str, Mapping[str, str]]]
    ) -> None:
        self._directory = directory
        self._members = {
            name: _Member(name, module, environment)
            for name, (module, environment) in members.items()
        }
        self._names: dict[int, str] = {}
        self._lock = threading.RLock()
        self.ends: list[End] = []

    @property
    def names(self) -> list[str]:
        """The processes, in the order of the data flow."""
        return list(self._members)

    def start(self) -> None:
        """Start all processes."""
        with self._lock:
            for member in self._members.values():
                self._start(member)

    def name_of(self, pid: int) -> str | None:
        """Return the name of a process that was started here."""
        with self._lock:
            return self._names.get(pid)

    def pid_of(self, name: str) -> int | None:
        """Return the id of the current incarnation of a process; None if it does not run."""
        with self._lock:
            current = self._members[name].current
            return current.pid if current is not None and current.poll() is None else None

    def signal(self, pid: int, number: signal.Signals) -> None:
        """Send a signal to a process, if it is still there."""
        with suppress(ProcessLookupError):
            os.kill(pid, number)

    def replace(self, name: str) -> None:
        """Start a second incarnation beside one that is frozen, which is not restarted any more."""
        with self._lock:
            member = self._members[name]
            if member.current is not None:
                member.replaced.append(member.current)
            self._start(member)

    def step(self, *, progress: bool, quiet: bool) -> End | None:
        """Take note of what ended, and start it again.

        Parameters
        ----------
        progress
            The run has moved on since the last call.
        quiet
            No fault is at work: what ends now, ends by itself.

        Returns
        -------
        End or None
            The process that will not get any further.
        """
        with self._lock:
            for member in self._members.values():
                self._note_replaced(member)
                if progress or not quiet:
                    member.ends_in_a_row = 0
                stopped = self._step(member)
                if stopped is not None:
                    return self._cause_of(stopped)
        return None

    def is_done(self) -> bool:
        """Whether every process has ended with exit code 0."""
        with self._lock:
            return all(member.done for member in self._members.values())

    def stop(self) -> list[str]:
        """End what still runs; return the names of replaced processes that had not ended."""
        deadline = time.monotonic() + _END_S
        with self._lock:
            members = list(self._members.values())
        for member in members:
            for process in member.replaced:
                process.wait(max(0.0, deadline - time.monotonic()))
        alive = []
        with self._lock:
            for member in members:
                alive += [member.name for process in member.replaced if process.poll() is None]
        self.kill()
        return alive

    def kill(self) -> None:
        """End everything at once."""
        with self._lock:
            for member in self._members.values():
                for process in [*member.replaced, member.current]:
                    if process is not None and process.poll() is None:
                        self.signal(process.pid, signal.SIGKILL)
                        process.wait(_END_S)

    def logs(self) -> list[Path]:
        """Return the logs of all incarnations."""
        return sorted(self._directory.glob("*.log"))

    def _cause_of(self, stopped: End) -> End:
        """Return the process that keeps a stopped one from working: another one of its cluster."""
        if stopped.code != StackError.exit_code:
            return stopped
        for end in reversed(self.ends):
            if end.code > 0 and end.code not in (stopped.code, INTERRUPTED):
                return end
        return stopped

    def _start(self, member: _Member) -> None:
        member.started += 1
        log = self._directory / f"{member.name}.{member.started}.log"
        member.current = launch_python(member.name, member.module, log, member.environment)
        member.done = False
        self._names[member.current.pid] = member.name

    def _step(self, member: _Member) -> End | None:
        current = member.current
        if current is None:
            if not member.done and time.monotonic() >= member.restart_at:
                self._start(member)
            return None
        code = current.poll()
        if code is None:
            return None
        self._note(member.name, current, code)
        member.current = None
        member.done = code == 0
        if code <= 0 or code == INTERRUPTED or code != member.last_code:
            member.ends_in_a_row = 0
        member.last_code = code
        member.ends_in_a_row += 1
        if code > 0 and code != INTERRUPTED and member.ends_in_a_row >= _ENDS:
            return self.ends[-1]
        delay = min(_FIRST_DELAY_S * 2 ** (member.ends_in_a_row - 1), _LONGEST_DELAY_S)
        member.restart_at = time.monotonic() + delay
        return None

    def _note_replaced(self, member: _Member) -> None:
        for process in list(member.replaced):
            code = process.poll()
            if code is not None:
                member.replaced.remove(process)
                self._note(member.name, process, code)

    def _note(self, name: str, process: ChildProcess, code: int) -> None:
        self.ends.append(End(name, code, process.last_message()))


def is_defect(end: End) -> bool:
    """Whether a process ended in a way that is not documented."""
    return end.code == _DEFECT or (
        end.code < 0 and -end.code not in (signal.SIGKILL, signal.SIGTERM)
    )
