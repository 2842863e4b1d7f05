"""Which parts of a line are alive, as Redis knows it: a key for each, which expires.

It keeps two processes from doing the same work, and a new run from starting over a live one.
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
from rushhour.core.redis_url import mask_password
from rushhour.runtime.redis_client import connect, redis_failures

LEASE_S = 5.0
_RENEW_S = 1.0
_LOOK_S = 0.1
_MS = 1000


class Lease(AbstractContextManager[None]):
    """Holds the name of a part, such as `consumer-1`, for as long as it is entered.

    A part that was killed leaves its name behind for up to `LEASE_S`. On the same host that is
    found out at once; elsewhere whoever takes its place waits for it.
    """

    def __init__(self, url: str, part: str) -> None:
        self._url = url
        self._part = part
        self._key = keys.lease(part)
        self._me = f"{socket.gethostname()}:{os.getpid()}"
        self._client = connect(url)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._renew, name="presence", daemon=True)

    def __enter__(self) -> None:
        """Take the name.

        Raises
        ------
        StackError
            If another process that is alive has it.
        """
        with redis_failures(self._url):
            self._take()
        self._thread.start()

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()
        with suppress(redis.RedisError):
            if self._client.get(self._key) == self._me:
                self._client.delete(self._key)
        self._client.close()

    def _take(self) -> None:
        deadline = time.monotonic() + LEASE_S + _RENEW_S
        while not self._client.set(self._key, self._me, nx=True, px=int(LEASE_S * _MS)):
            owner = cast(str | None, self._client.get(self._key))
            if owner is not None and _is_gone(owner):
                self._client.delete(self._key)
            elif time.monotonic() > deadline:
                raise StackError(
                    f"another {self._part} is running on {mask_password(self._url)} ({owner}): "
                    "stop it first"
                )
            else:
                time.sleep(_LOOK_S)

    def _renew(self) -> None:
        while not self._stop.wait(_RENEW_S):
            with suppress(redis.RedisError):  # the part itself will say that Redis is gone
                self._client.set(self._key, self._me, px=int(LEASE_S * _MS))


def wait_until_alone(client: redis.Redis) -> None:
    """Return once no part is alive; parts that were killed are waited for.

    Raises
    ------
    StackError
        If one is and stays so.
    """
    deadline = time.monotonic() + LEASE_S + _RENEW_S
    while alive := live_processes(client):
        if time.monotonic() > deadline:
            who = ", ".join(f"{part} ({owner})" for part, owner in sorted(alive.items()))
            raise StackError(f"a run is live on this Redis: {who}: stop it first")
        time.sleep(_LOOK_S)


def live_processes(client: redis.Redis) -> dict[str, str]:
    """Return the parts that are alive, each with its host and process id."""
    found = {}
    for key in client.scan_iter(match=keys.lease("*"), count=1000):
        owner = cast(str | None, client.get(key))
        if owner is not None and not _is_gone(owner):
            found[key.removeprefix(keys.lease(""))] = owner
    return found


def _is_gone(owner: str) -> bool:
    """Whether a process of this host is no more; of another host's, nothing can be said.

    A container that starts again is the same host, and its process often has the same id.
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
