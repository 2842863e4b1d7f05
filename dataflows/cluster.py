"""How the dataflow processes of a cluster agree to start together.

The state of the dataflow is spread over the stores of all processes. Bytewax resumes with whatever
stores it is given, so a store that was lost, or restored from an old copy, would give wrong results
without a word. Therefore no process enters the cluster before all have agreed in Redis
(`sim:recovery`) that their stores belong together:

1. Each registers its store, with the sessions that may have written to it last. A session is one
   start of the cluster: a hash of the epochs of all leases.
2. When all have seen all others, they compare. If their stores have no session in common, they
   start anew, from the first trip of the run: one raises the generation, all create new stores.
3. Each adds the new session to its store, and says so. Only when all have does the session begin,
   and becomes the only one of each store.

So a process may be killed at any point: whoever has begun a session alone has not worked in it.
While a process works, it watches for another that starts again, and ends: all must meet once more.
"""

import logging
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

import msgspec
import redis
from msgspec.structs import replace

from dataflows.agreement import (
    Registration,
    Step,
    beats_field,
    beats_of,
    common_sessions,
    fault_of,
    generation_of,
    registration_of,
    session_of,
)
from dataflows.recovery import NEW, Progress, Store, open_store
from rushhour.core import keys
from rushhour.core.errors import RushhourError, StackError
from rushhour.core.run import RunInfo
from rushhour.core.version import format_versions, library_versions
from rushhour.runtime.fence import Fence
from rushhour.runtime.lua import Script
from rushhour.runtime.redis_client import read_hash
from rushhour.storage.runs import START_OVER

_POLL_S = 0.1
_WATCH_S = 1.0
_FIRST_REPORT_S, _REPORT_S = 10.0, 60.0
# Raises the generation ARGV[3], if it still is that one, the run is ARGV[1] and the epoch ARGV[2].
_RAISE = Script("""
local held = {redis.call('HGET', KEYS[1], 'run_id'), redis.call('GET', KEYS[2])}
local generation = redis.call('HGET', KEYS[3], 'generation') or '0'
if held[1] == ARGV[1] and held[2] == ARGV[2] and generation == ARGV[3] then
  local libraries = redis.call('HGET', KEYS[3], 'libraries')
  redis.call('DEL', KEYS[3])
  redis.call('HSET', KEYS[3], 'generation', ARGV[3] + 1)
  if libraries then redis.call('HSET', KEYS[3], 'libraries', libraries) end
end
return held
""")
_log = logging.getLogger(__name__)


def check_libraries(client: redis.Redis, fence: Fence) -> None:
    """Refuse to continue a run with other libraries than it was started with.

    What the dataflow sent before stays, and the rest of the run could differ from it.

    Raises
    ------
    StackError
        If a library has another version.
    """
    own = format_versions(library_versions())
    before = read_hash(client, keys.RECOVERY).get(keys.LIBRARIES)
    if before is None:
        fence.write_hash(client, keys.RECOVERY, {keys.LIBRARIES: own})
    elif before != own:
        raise StackError(
            f"the run was started with {before}, and this process has {own}: install the former, "
            f"or {START_OVER}"
        )


@dataclass(frozen=True, slots=True)
class Membership:
    """A process that has begun a session: its store, if it has one, and the epochs of all."""

    generation: int
    epochs: tuple[int, ...]
    store: Store | None


class _ChangedError(Exception):
    """Something that the processes had agreed on has changed: another attempt is due."""


class NotNeededError(Exception):
    """The run was finished while the process waited for the others."""


class Cluster:
    """The cluster from the view of one process.

    Parameters
    ----------
    client
        Redis of the run.
    fence
        The lease of the process.
    run
        The run, with its number of dataflow processes.
    process
        Number of the process.
    directory
        Its recovery directory; without one, all start at the first trip each time.
    plan
        What snapshots can be used for: `dataflows.recovery.plan_of`.
    """

    def __init__(
        self,
        client: redis.Redis,
        fence: Fence,
        run: RunInfo,
        process: int,
        directory: Path | None,
        plan: str,
    ) -> None:
        self._client = client
        self._fence = fence
        self._run = run
        self._process = process
        self._directory = directory
        self._plan = plan

    def enter(self, waiting: Callable[[], bool]) -> Membership:
        """Wait until all processes have agreed, and begin a session with them.

        Parameters
        ----------
        waiting
            Called again and again meanwhile; returns whether to wait on.

        Raises
        ------
        NotNeededError
            If `waiting` returns False.
        StackError
            If the recovery directory cannot be used, or another process has taken over.
        """
        while True:
            with suppress(_ChangedError):
                return self._try_to_enter(waiting)

    def _try_to_enter(self, waiting: Callable[[], bool]) -> Membership:
        fields = read_hash(self._client, keys.RECOVERY)
        generation = generation_of(fields)
        if generation == 0:
            self._start_anew(generation)
        store = None
        if self._directory is not None:
            store = open_store(
                self._directory,
                self._plan,
                self._run,
                self._process,
                generation=generation,
                epoch=self._fence.epoch,
            )
        own = Registration(
            generation,
            self._fence.epoch,
            self._plan,
            tuple(sorted(store.sessions())) if store else (NEW,),
            store.progress() if store else Progress(),
        )
        if store and store.beats() < beats_of(fields, self._process):
            self._start_anew(generation, f"the recovery store of {self._name()} is an old copy")
        self._register(own)
        own = replace(
            own, step=Step.MET, session=session_of(self._wait(own, Step.REGISTERED, waiting))
        )
        self._register(own)
        members = self._wait(own, Step.MET, waiting)
        fault = fault_of(members)
        if fault:
            self._start_anew(generation, fault)
        if store:
            store.set_sessions({*common_sessions(members), own.session})
        self._register(replace(own, step=Step.PREPARED))
        self._wait(own, Step.PREPARED, waiting)
        if store:
            store.set_sessions({own.session})
        return Membership(generation, tuple(member.epoch for member in members), store)

    def _wait(
        self, own: Registration, step: Step, waiting: Callable[[], bool]
    ) -> list[Registration]:
        """Return the registrations of all once they have done a step.

        From `Step.MET` on, what a process has registered is its present state, because the name of
        the session tells that it has seen the others that are here now.
        """
        report_at = time.monotonic() + _FIRST_REPORT_S
        while True:
            fields = read_hash(self._client, keys.RECOVERY)
            found = {i: registration_of(fields, i) for i in range(self._run.dataflows)}
            if generation_of(fields) != own.generation or found[self._process] is None:
                raise _ChangedError
            members = {
                i: member
                for i, member in found.items()
                if member is not None
                and (member.generation, member.plan) == (own.generation, own.plan)
            }
            late = found.keys() - members.keys()
            if step > Step.REGISTERED:
                if late or session_of([*members.values()]) != own.session:
                    raise _ChangedError
                late = {
                    i
                    for i, member in members.items()
                    if member.session != own.session or member.step < step
                }
            if not late:
                return [*members.values()]
            if time.monotonic() > report_at:
                report_at = time.monotonic() + _REPORT_S
                for i in sorted(late):
                    self._report(i, found[i])
            if not waiting():
                raise NotNeededError
            time.sleep(_POLL_S)

    def _report(self, process: int, registration: Registration | None) -> None:
        if registration is not None and registration.plan != self._plan:
            _log.warning(
                "waiting for %s: it has recovery stores of %s, this process of %s: run the same "
                "version of rushhour, Python and libraries everywhere",
                self._name(process),
                registration.plan,
                self._plan,
            )
        else:
            _log.warning("waiting for %s: start it, or look at its log", self._name(process))

    def _register(self, registration: Registration) -> None:
        value = msgspec.json.encode(registration).decode()
        self._fence.write_hash(self._client, keys.RECOVERY, {str(self._process): value})

    def _start_anew(self, generation: int, why: str = "") -> NoReturn:
        """Raise the generation, unless another process has done so already."""
        if why:
            _log.warning("%s: all dataflow processes start anew, at the first trip", why)
        held = _RAISE.run(
            self._client,
            (keys.RUN, keys.epoch(self._fence.process), keys.RECOVERY),
            (self._fence.run_id, self._fence.epoch, generation),
        )
        self._fence.check(*held)
        raise _ChangedError

    @contextmanager
    def watch(
        self, client: redis.Redis, membership: Membership, end: Callable[[RushhourError], None]
    ) -> Iterator[None]:
        """Watch the others from another thread, and count in the store that the process works.

        Parameters
        ----------
        client
            A client for that thread alone.
        end
            Called, from that thread, if this process has to end.
        """
        stop = threading.Event()

        def run() -> None:
            while not stop.wait(_WATCH_S):
                # The lease waits for a lost Redis, and ends the process if another took over.
                with suppress(redis.RedisError, RushhourError, OSError):
                    fields = read_hash(client, keys.RECOVERY)
                    why = self._why_to_end(fields, membership)
                    if why:
                        end(StackError(f"{why}: restart this process, to start with all others"))
                        return
                    self._beat(client, membership.store)

        thread = threading.Thread(target=run, name="cluster", daemon=True)
        thread.start()
        try:
            yield
        finally:
            stop.set()
            thread.join(_WATCH_S)

    def _why_to_end(self, fields: Mapping[str, str], membership: Membership) -> str:
        if generation_of(fields) > membership.generation:
            return "the dataflow processes start anew"
        for i, epoch in enumerate(membership.epochs):
            other = registration_of(fields, i)
            # A lower epoch is that of an older copy of Redis.
            if i != self._process and other is not None and other.epoch > epoch:
                return f"{self._name(i)} has started again"
        return ""

    def _beat(self, client: redis.Redis, store: Store | None) -> None:
        """Count in the store, and then in Redis: an old copy of the store has a lower number."""
        if store is not None:
            beats = store.beats() + 1
            store.beat(beats)
            self._fence.write_hash(client, keys.RECOVERY, {beats_field(self._process): beats})

    def _name(self, process: int | None = None) -> str:
        return f"dataflow-{self._process if process is None else process}"
