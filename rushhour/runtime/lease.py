"""Leases of the processes of a run: one Redis key per process, which expires unless renewed.

A lease keeps two processes from doing the same work, and a new run from replacing a live one.
"""

import os
import socket
import threading
import time
from contextlib import AbstractContextManager, suppress
from typing import cast

import redis

from rushhour.core import keys
from rushhour.core.errors import StackError
from rushhour.core.redis_address import RedisAddress
from rushhour.runtime.failpoints import limit, reach
from rushhour.runtime.redis_client import connect, redis_failures

LEASE_S = limit("lease.seconds", 5.0)
_RENEW_S = limit("lease.renew.seconds", 1.0)
_POLL_S = 0.1
_MS = 1000


class Lease(AbstractContextManager[None]):
    """Holds the lease of a process, such as `consumer-1`, while the context is entered.

    The lease of a process that was killed expires after `LEASE_S`. Its successor waits for that,
    except on the same host, where a dead owner is detected at once.

    Parameters
    ----------
    redis_address
        Redis of the run.
    process
        Name of the process: `producer-0`, `dataflow-1` and so on.
    """

    def __init__(self, redis_address: RedisAddress | str, process: str) -> None:
        self._address = RedisAddress.of(redis_address)
        self._process = process
        self._key = keys.lease(process)
        self._owner = f"{socket.gethostname()}:{os.getpid()}"
        self._client = connect(redis_address)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._renew, name="lease", daemon=True)

    def __enter__(self) -> None:
        """Acquire the lease.

        Raises
        ------
        StackError
            If a live process holds it.
        """
        with redis_failures(self._address):
            self._acquire()
        self._thread.start()

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()
        with suppress(redis.RedisError):
            if self._client.get(self._key) == self._owner:
                self._client.delete(self._key)
        self._client.close()

    def _acquire(self) -> None:
        deadline = time.monotonic() + LEASE_S + _RENEW_S
        while not self._client.set(self._key, self._owner, nx=True, px=int(LEASE_S * _MS)):
            owner = cast(str | None, self._client.get(self._key))
            if owner is not None and _is_dead(owner):
                self._client.delete(self._key)
            elif time.monotonic() > deadline:
                raise StackError(
                    f"another {self._process} is running on {self._address} ({owner}): "
                    "stop it first"
                )
            else:
                time.sleep(_POLL_S)

    def _renew(self) -> None:
        while not self._stop.wait(_RENEW_S):
            reach("lease.renew")
            with suppress(redis.RedisError):  # the process itself reports that Redis is gone
                self._client.set(self._key, self._owner, px=int(LEASE_S * _MS))


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
            found[key.removeprefix(keys.lease(""))] = owner
    return found


def _is_dead(owner: str) -> bool:
    """Whether the owner is a process of this host that has ended. Unknown for other hosts: False.

    An owner with the id of this process is its predecessor in a restarted container.
    """
    host, _, pid = owner.rpartition(":")
    if host != socket.gethostname():
        return False
    if int(pid) == os.getpid():
        return True
    try:
        os.kill(int(pid), 0)
    except ProcessLookupError:
        return True
    except PermissionError:
        return False
    return False
