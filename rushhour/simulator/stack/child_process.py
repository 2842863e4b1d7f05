"""A child process: start, watch and stop it, and account for its CPU time and memory."""

import json
import os
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from rushhour.core.errors import DataError, KafkaFailure, RedisFailure, StackError, UsageError
from rushhour.runtime.logs import message_of
from rushhour.simulator.stack.forked import Fork, die_with_parent, fork
from rushhour.simulator.stack.loading import load

_STOP_S = 5.0
_POLL_S = 0.02
_SAMPLE_S = 0.25  # between two looks at the memory of a process
_LOADING = "rushhour.simulator.stack.loading"
_KIB = 1024
_USERS_ERRORS = {error.exit_code for error in (UsageError, DataError, KafkaFailure, RedisFailure)}
_UTIME_FIELD = 11  # of /proc/PID/stat, counted from the field after the name; stime is next
_LINUX = sys.platform == "linux"


@dataclass(frozen=True, slots=True)
class Cost:
    """Resources of a process: CPU seconds, and its peak of resident memory in bytes.

    `main_thread_s` are the CPU seconds of its main thread; None if they are not known.
    """

    user_s: float
    system_s: float
    peak_bytes: int
    main_thread_s: float | None = None

    @property
    def cpu_s(self) -> float:
        """All CPU seconds."""
        return self.user_s + self.system_s

    @classmethod
    def of(
        cls,
        usage: resource.struct_rusage,
        peak_bytes: int | None,
        main_thread_s: float | None = None,
    ) -> "Cost":
        """Read the kernel's accounting of a process, one that has ended or this one.

        `ru_maxrss` includes the fork of this process, before the program was loaded. A peak that
        was sampled while the process ran is therefore preferred.
        """
        unit = _KIB if _LINUX else 1  # macOS reports bytes
        peak_bytes = peak_bytes or usage.ru_maxrss * unit
        return cls(usage.ru_utime, usage.ru_stime, peak_bytes, main_thread_s)


class ChildProcess:
    """One process of a run, in a session of its own so that Ctrl-C does not reach it.

    On Linux the kernel terminates it if this process dies.

    Parameters
    ----------
    name
        Its name in messages.
    command
        Program and arguments; or, on Linux, what a fork of this process does (`forked.fork`).
    log
        File that its output is written to.
    env
        Variables to add to the environment of this process.
    waits
        It waits for `begin`, which sends its settings to its standard input.
    pass_fds
        File descriptors that it inherits.

    Raises
    ------
    StackError
        If it cannot be started.
    """

    def __init__(
        self,
        name: str,
        command: Sequence[str] | Callable[[], None],
        log: Path,
        env: Mapping[str, str] | None = None,
        *,
        waits: bool = False,
        pass_fds: Sequence[int] = (),
    ) -> None:
        self.name = name
        self.log = log
        self.exit_code: int | None = None
        self.cost: Cost | None = None
        self._peak_bytes: int | None = None
        self._sample_due = 0.0
        self._process: subprocess.Popen[bytes] | Fork
        try:
            if callable(command):
                self._process = fork(name, log, command)
                return
            with log.open("wb") as output:
                self._process = subprocess.Popen(
                    command,
                    stdin=subprocess.PIPE if waits else subprocess.DEVNULL,
                    stdout=output,
                    stderr=subprocess.STDOUT,
                    env=os.environ | (env or {}),
                    start_new_session=True,
                    pass_fds=pass_fds,
                    preexec_fn=die_with_parent if _LINUX else None,  # noqa: PLW1509
                )
        except OSError as error:
            raise StackError(f"the {name} could not be started: {error}") from None

    @classmethod
    def python(cls, name: str, module: str, log: Path, env: Mapping[str, str]) -> "ChildProcess":
        """Start a module of this installation; the working directory is not searched for it."""
        return cls(name, python_command(module), log, env)

    @classmethod
    def loading(cls, name: str, module: str, kind: str, log: Path) -> "ChildProcess":
        """Start a module of a pipeline that loads its libraries, and works once it may `begin`.

        `kind` is what the process calls itself, such as `consumer`.
        """
        if _LINUX:
            return cls(name, partial(load, kind, module), log)
        # Elsewhere libraries of the system may not survive a fork.
        return cls(name, python_command(_LOADING, kind, module), log, waits=True)

    def begin(self, env: Mapping[str, str]) -> None:
        """Let a process that is `loading` begin its work, with these variables."""
        assert self._process.stdin is not None
        with suppress(BrokenPipeError), self._process.stdin as settings:  # `check` tells of its end
            settings.write(json.dumps(dict(env)).encode())

    @property
    def pid(self) -> int:
        """The process id."""
        return self._process.pid

    def poll(self) -> int | None:
        """Return the exit code, or None while it runs."""
        if self.exit_code is None:
            self._sample_memory()
            pid, status, usage = os.wait4(self.pid, os.WNOHANG)
            if pid:
                self.exit_code = self._process.returncode = os.waitstatus_to_exitcode(status)
                self.cost = Cost.of(usage, self._peak_bytes)
        return self.exit_code

    def cost_so_far(self) -> Cost | None:
        """Return the resources used up to now; None if the system does not report them."""
        if self.poll() is not None:
            return self.cost
        try:
            user_s, system_s = cpu_s_of(Path(f"/proc/{self.pid}/stat"))
            main_thread_s = sum(cpu_s_of(Path(f"/proc/{self.pid}/task/{self.pid}/stat")))
        except OSError:
            return None
        return Cost(user_s, system_s, self._peak_bytes or 0, main_thread_s)

    def _sample_memory(self) -> None:
        """Note the peak up to now, a few times a second at most."""
        now = time.monotonic()
        if now >= self._sample_due:
            self._sample_due = now + _SAMPLE_S
            self._peak_bytes = _peak_bytes(self.pid) or self._peak_bytes

    def wait(self, seconds: float) -> bool:
        """Wait for the end; return whether the process ended in time."""
        deadline = time.monotonic() + seconds
        while self.poll() is None:
            if time.monotonic() > deadline:
                return False
            time.sleep(_POLL_S)
        return True

    def stop(self) -> None:
        """Stop the process: SIGTERM, then SIGKILL."""
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
            Names how it ended, its last message, and its log. Has the exit code of the process
            if that one stands for an error of usage, data, Kafka or Redis.
        """
        code = self.poll()
        if code is None or code == 0:
            return
        how = f"was killed by signal {-code}" if code < 0 else f"ended with exit code {code}"
        message = self.last_message()
        reason = f": {message}" if message else ""
        error = StackError(f"the {self.name} {how}{reason} (log: {self.log})")
        if code in _USERS_ERRORS:
            error.exit_code = code
        raise error

    def last_message(self) -> str:
        """Return the message of the last non-empty line of the log; empty if there is none."""
        lines = [line for line in self.log_lines() if line.strip()]
        return message_of(lines[-1], self.name) if lines else ""

    def log_lines(self) -> list[str]:
        """Return the lines of the log; none if it cannot be read."""
        try:
            return self.log.read_text("utf-8", "replace").split("\n")
        except OSError:
            return []


def python_command(module: str, *arguments: str) -> tuple[str, ...]:
    """Return the command that runs a module of this installation."""
    return (sys.executable, "-P", "-m", module, *arguments)


def _peak_bytes(pid: int) -> int | None:
    """Return the peak of resident memory of a running process, if the system reports it."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text("ascii", "replace").splitlines()
    except OSError:
        return None
    peaks = [int(line.split()[1]) * _KIB for line in lines if line.startswith("VmHWM:")]
    return peaks[0] if peaks else None


def cpu_s_of(stat: Path) -> tuple[float, float]:
    """Return the CPU seconds of a process or a thread, user and system, from its file in /proc."""
    fields = stat.read_text("ascii", "replace").rpartition(")")[2].split()
    user, system = map(int, fields[_UTIME_FIELD : _UTIME_FIELD + 2])
    per_s = os.sysconf("SC_CLK_TCK")
    return user / per_s, system / per_s
