"""The processes of a run: started, watched, stopped, and what each of them cost."""

import ctypes
import os
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from rushhour.core.errors import DataError, KafkaFailure, RedisFailure, StackError, UsageError

_STOP_S = 5.0
_POLL_S = 0.02
_PR_SET_PDEATHSIG = 1
_KIB = 1024
_USERS_ERRORS = {error.exit_code for error in (UsageError, DataError, KafkaFailure, RedisFailure)}
_UTIME_FIELD = 11  # of /proc/PID/stat, counted from the field after the name; stime is next
_LINUX = sys.platform == "linux"


@dataclass(frozen=True, slots=True)
class Cost:
    """What a process used: CPU seconds, and its peak of resident memory in bytes."""

    cpu_s: float
    peak_bytes: int

    @classmethod
    def of(cls, usage: resource.struct_rusage, peak_bytes: int | None) -> "Cost":
        """Read the kernel's account of an ended process.

        Its `ru_maxrss` counts this process too, from before the program was loaded; so a
        peak that was seen while the process ran is better, if there is one.
        """
        unit = _KIB if _LINUX else 1  # macOS reports bytes
        return cls(usage.ru_utime + usage.ru_stime, peak_bytes or usage.ru_maxrss * unit)


class ChildProcess:
    """One process of a run, in a session of its own so that Ctrl-C does not reach it.

    `env` is added to this process's environment. Its output goes to a log file. On Linux the
    kernel ends it if this process dies.
    """

    def __init__(
        self, name: str, command: Sequence[str], log: Path, env: Mapping[str, str] | None = None
    ) -> None:
        self.name = name
        self.log = log
        self.exit_code: int | None = None
        self.cost: Cost | None = None
        self._peak_bytes: int | None = None
        try:
            with log.open("wb") as output:
                self._process = subprocess.Popen(
                    command,
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=subprocess.STDOUT,
                    env=os.environ | (env or {}),
                    start_new_session=True,
                    preexec_fn=_die_with_parent if _LINUX else None,  # noqa: PLW1509
                )
        except OSError as error:
            raise StackError(f"the {name} could not be started: {error}") from None

    @classmethod
    def python(cls, name: str, module: str, log: Path, env: Mapping[str, str]) -> "ChildProcess":
        """Start a module of this installation; the working directory is not searched for it."""
        return cls(name, (sys.executable, "-P", "-m", module), log, env)

    @property
    def pid(self) -> int:
        """The process id."""
        return self._process.pid

    def poll(self) -> int | None:
        """Return the exit code, or None while it runs."""
        if self.exit_code is None:
            self._peak_bytes = _peak_bytes(self.pid) or self._peak_bytes
            pid, status, usage = os.wait4(self.pid, os.WNOHANG)
            if pid:
                self.exit_code = self._process.returncode = os.waitstatus_to_exitcode(status)
                self.cost = Cost.of(usage, self._peak_bytes)
        return self.exit_code

    def cost_so_far(self) -> Cost | None:
        """Return what the process has used up to now; None where the system does not tell."""
        if self.poll() is not None:
            return self.cost
        try:
            stat = Path(f"/proc/{self.pid}/stat").read_text("ascii", "replace")
        except OSError:
            return None
        ticks = stat.rpartition(")")[2].split()[_UTIME_FIELD : _UTIME_FIELD + 2]
        return Cost(sum(map(int, ticks)) / os.sysconf("SC_CLK_TCK"), self._peak_bytes or 0)

    def wait(self, seconds: float) -> bool:
        """Wait for the end; return whether it came in time."""
        deadline = time.monotonic() + seconds
        while self.poll() is None:
            if time.monotonic() > deadline:
                return False
            time.sleep(_POLL_S)
        return True

    def stop(self) -> None:
        """End the process: politely first."""
        for sign in (signal.SIGTERM, signal.SIGKILL):
            if self.poll() is not None:
                return
            os.kill(self.pid, sign)
            self.wait(_STOP_S)

    def check(self) -> None:
        """Raise if the process ended before its work was done.

        Raises
        ------
        StackError
            Says how it ended, its last words, and where its log is. Its exit code is that of
            the process where that tells of data, Kafka or Redis.
        """
        code = self.poll()
        if code is None or code == 0:
            return
        how = f"was killed by signal {-code}" if code < 0 else f"ended with exit code {code}"
        words = self.last_words()
        said = f": {words.removeprefix(self.name + ': ')}" if words else ""
        error = StackError(f"the {self.name} {how}{said} (log: {self.log})")
        if code in _USERS_ERRORS:
            error.exit_code = code
        raise error

    def last_words(self, containing: str = "") -> str:
        """Return the last line of the log that says something (and holds a text)."""
        try:
            lines = self.log.read_text("utf-8", "replace").split("\n")
        except OSError:
            return ""
        return next(
            (line.strip() for line in reversed(lines) if line.strip() and containing in line), ""
        )


def _peak_bytes(pid: int) -> int | None:
    """Return the peak of resident memory of a running process, where the system tells."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text("ascii", "replace").splitlines()
    except OSError:
        return None
    peaks = [int(line.split()[1]) * _KIB for line in lines if line.startswith("VmHWM:")]
    return peaks[0] if peaks else None


def _die_with_parent() -> None:
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
