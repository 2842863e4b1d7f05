"""Leases of the processes of a run: one Redis key per process, which expires unless renewed.

A lease keeps two processes from doing the same work, and a new run from replacing a live one. A
process that has lost its lease must not write to Redis any more: see `rushhour.runtime.fence`.
"""

import os
import secrets
import socket
import threading
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, suppress
from pathlib import Path
from typing import cast
from zlib import crc32

import redis

from rushhour.core import keys
from rushhour.core.errors import RushhourError, StackError
from rushhour.core.redis_address import RedisAddress
from rushhour.runtime.failpoints import limit, reach
from rushhour.runtime.fence import Fence
from rushhour.runtime.lua import Script
from rushhour.runtime.outage import RedisState, is_outage
from rushhour.runtime.redis_client import connect, redis_failures

LEASE_S = limit("lease.seconds", 5.0)
_RENEW_S = limit("lease.renew.seconds", 1.0)
_POLL_S = 0.1
_ANSWER_S = 2.0  # short, so that a lease is renewed in time after one lost answer
_RELEASE_S = 1.0
_MS = 1000
_TOKEN = secrets.token_hex(6)  # tells this process from one that had its id before

# Takes a lease that is free or held by the dead owner ARGV[3]; returns the owner, or epoch and run.
# The epoch is the time in ms if that is later than the last one: so it rises as well if Redis was
# restored from a copy that lacks the last ones.
_TAKE = Script("""
local owner = redis.call('GET', KEYS[1])
if owner and owner ~= ARGV[3] then return {owner} end
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local last = tonumber(redis.call('GET', KEYS[2]) or 0) or 0
local epoch = string.format('%.0f', math.max(last + 1, now))
redis.call('SET', KEYS[2], epoch)
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return {false, epoch, redis.call('HGET', KEYS[3], 'run_id')}
""")
# Renews the lease of the owner ARGV[1]. It is written again if it has expired and nobody has taken
# it since, or if Redis was restored from an older copy.
_RENEW = Script("""
local owner = redis.call('GET', KEYS[1])
local epoch = redis.call('GET', KEYS[2])
local run = redis.call('HGET', KEYS[3], 'run_id')
local free = not owner or owner == ARGV[1]
if free and (run or '') == ARGV[4] and (tonumber(epoch or 0) or 0) <= tonumber(ARGV[3]) then
  redis.call('SET', KEYS[2], ARGV[3])
  redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
  return {ARGV[1], ARGV[3], run}
end
return {owner, epoch, run}
""")
_RELEASE = Script(
    "if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('DEL', KEYS[1]) end"
)


class Lease(AbstractContextManager[Fence]):
    """Holds the lease of a process, such as `consumer-1`, while the context is entered.

    The lease of a process that was killed expires after `LEASE_S`. Its successor waits for that,
    unless it can tell that the owner is dead: a process of the same machine that has ended.

    Parameters
    ----------
    redis_address
        Redis of the run.
    process
        Name of the process: `producer-0`, `dataflow-1` and so on.
    state
        Is told whether Redis works.
    on_lost
        Called from another thread, once, if the lease is lost or Redis has lost the run.

    Attributes
    ----------
    fence
        What writes to Redis have to check, once the lease is held.
    """

    fence: Fence

    def __init__(
        self,
        redis_address: RedisAddress | str,
        process: str,
        state: RedisState,
        on_lost: Callable[[RushhourError], None],
    ) -> None:
        self._address = RedisAddress.of(redis_address)
        self._process = process
        self._state = state
        self._on_lost = on_lost
        self._keys = (keys.lease(process), keys.epoch(process), keys.RUN)
        self._client = connect(redis_address, answer_s=_ANSWER_S, reconnect=False)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._keep, name="lease", daemon=True)

    def __enter__(self) -> Fence:
        """Acquire the lease.

        Raises
        ------
        StackError
            If a live process holds it.
        RedisFailure
            If Redis fails.
        """
        with redis_failures(self._address):
            self.fence = self._acquire()
        self._thread.start()
        return self.fence

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join(_RELEASE_S)
        if not self._thread.is_alive():  # else Redis hangs, and the lease expires
            with suppress(redis.RedisError):
                _RELEASE.run(self._client, self._keys[:1], (self.fence.owner,))
        self._client.close()

    def renew(self) -> None:
        """Renew the lease, or take it back if it has expired and nobody else has taken it.

        Raises
        ------
        RushhourError
            If the lease is lost, or Redis has lost the run.
        redis.RedisError
            If Redis fails.
        """
        fence = self.fence
        arguments = (fence.owner, int(LEASE_S * _MS), fence.epoch, fence.run_id)
        owner, epoch, run_id = _RENEW.run(self._client, self._keys, arguments)
        if fence.run_id:  # else the process is about to find that Redis holds no run
            fence.check(run_id, epoch)
        if owner != fence.owner:
            raise StackError(f"another {self._process} has taken over: this one ends")

    def _acquire(self) -> Fence:
        own = f"{socket.gethostname()}:{os.getpid()}:{_machine()}-{_TOKEN}"
        deadline = time.monotonic() + LEASE_S + _RENEW_S
        dead = ""
        while True:
            try:
                owner, *taken = _TAKE.run(self._client, self._keys, (own, int(LEASE_S * _MS), dead))
            except redis.RedisError as error:
                # Without a connection it ends at once: the address may be wrong.
                disconnected = type(error) in (redis.ConnectionError, redis.TimeoutError)
                if disconnected or not is_outage(error):
                    raise
                self._state.lost(error)
                deadline = time.monotonic() + LEASE_S + _RENEW_S
                time.sleep(_RENEW_S)
                continue
            if owner is None:
                self._state.back()
                epoch, run_id = taken
                return Fence(run_id or "", self._process, int(epoch), own)
            dead = owner if _is_dead(owner) else ""
            if time.monotonic() > deadline:
                raise StackError(
                    f"another {self._process} is running on {self._address} "
                    f"({_host_and_pid(owner)}): stop it first"
                )
            if not dead:
                time.sleep(_POLL_S)

    def _keep(self) -> None:
        while not self._stop.wait(_RENEW_S):
            reach("lease.renew")
            try:
                with redis_failures(self._address):
                    self.renew()
            except RushhourError as error:
                if self._stop.is_set():
                    return
                if not is_outage(error.__cause__):
                    self._on_lost(error)
                    return
                self._state.lost(error.__cause__ or error)
            else:
                self._state.back()


def wait_until_alone(client: redis.Redis) -> None:
    """Wait until no process of a run is alive: at most until the leases of killed ones expire.

    Raises
    ------
    StackError
        If a process is still alive then.
    """
    deadline = time.monotonic() + LEASE_S + _RENEW_S
    while alive := live_processes(client):
        if time.monotonic() > deadline:
            who = ", ".join(f"{process} ({owner})" for process, owner in sorted(alive.items()))
            raise StackError(f"a run is live on this Redis: {who}: stop it first")
        time.sleep(_POLL_S)


def live_processes(client: redis.Redis) -> dict[str, str]:
    """Return the live processes of a run: name -> host and process id."""
    found = {}
    for key in client.scan_iter(match=keys.lease("*"), count=1000):
        owner = cast(str | None, client.get(key))
        if owner is not None and not _is_dead(owner):
            found[key.removeprefix(keys.lease(""))] = _host_and_pid(owner)
    return found


def _host_and_pid(owner: str) -> str:
    return ":".join(owner.split(":")[:2])


def _is_dead(owner: str) -> bool:
    """Whether the owner is certainly dead: a process of this machine that has ended.

    A host name does not tell the machine: a container that replaces another one has its name, and
    often the process id too, while the other may live on behind a broken network.
    """
    place, _, token = owner.rpartition(":")
    pid = place.rpartition(":")[2]
    if not token.startswith(f"{_machine()}-") or not pid.isdecimal():
        return False
    if int(pid) == os.getpid():
        return not token.endswith(_TOKEN)
    try:
        os.kill(int(pid), 0)
    except ProcessLookupError:
        return True
    except (PermissionError, OverflowError):
        return False
    return False


def _machine() -> str:
    """Return what tells apart the machines, and the containers on them, that have process ids."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text("ascii").strip()
        place = f"{boot} {os.readlink('/proc/self/ns/pid')}"
    except OSError:  # not Linux: no containers share a name there
        place = socket.gethostname()
    return f"{crc32(place.encode()):08x}"
