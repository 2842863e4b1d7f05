"""The fence around Redis: only the present holder of a lease writes, and only to its own run.

A process that was frozen, or cut off from Redis, may wake up after another one has taken over its
work. Each lease therefore has an epoch, a number that rises each time the lease is taken. Every
write to Redis checks, in one step with the write, that Redis holds the run and the epoch of the
writer (Kleppmann, "How to do distributed locking", 2016, calls the epoch a fencing token).
"""

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import redis
from redis.client import Pipeline

from rushhour.core import keys
from rushhour.core.errors import RedisFailure, RushhourError, StackError
from rushhour.runtime.lua import Script

# Other clients may change a watched key between a check and its write, but not for ever.
_MAX_CONFLICTS = 100
_TEXT = 200  # length of an error that is kept
_REFUSED = redis.exceptions.ExecAbortError
# Lua expressions with which a script returns what the fence checks.
READ_FENCE = "redis.call('HGET', KEYS[1], 'run_id'), redis.call('GET', KEYS[2])"
_WRITE_HASH = Script(
    f"""
    local held = {{{READ_FENCE}}}
    if held[1] == ARGV[1] and held[2] == ARGV[2] then
      redis.call('HSET', KEYS[3], unpack(ARGV, 3))
    end
    return held
    """
)


class StaleState(RedisFailure):
    """Redis does not hold what this process has read or written last.

    It was restored from a copy, or replaced by a replica that lagged. The process can resume from
    what Redis holds now.
    """


@dataclass(frozen=True, slots=True)
class Condition:
    """What a transaction finds in Redis before it writes.

    Parameters
    ----------
    script
        Returns `READ_FENCE` and the values that `holds` gets.
    keys
        The keys that it reads: `KEYS[3]` and so on.
    arguments
        Its arguments.
    watched
        The keys that must not change until the transaction is executed.
    holds
        Gets the values; returns whether to write, or raises.
    """

    script: Script
    keys: tuple[str, ...] = ()
    arguments: tuple[str | int, ...] = ()
    watched: tuple[str, ...] = ()
    holds: Callable[[Sequence[Any]], bool] = lambda _: True


_NO_CONDITION = Condition(Script(f"return {{{READ_FENCE}}}"))


@dataclass(frozen=True, slots=True)
class Fence:
    """What a process checks before it writes to Redis.

    Parameters
    ----------
    run_id
        The run that the process works on; empty if Redis holds none.
    process
        Name of the process: `producer-0`, `dataflow-1` and so on.
    epoch
        The epoch of its lease.
    owner
        The value of its lease: host, process id and a random token.
    """

    run_id: str
    process: str
    epoch: int
    owner: str

    def check(self, run_id: str | None, epoch: str | None) -> None:
        """Raise unless these, read from Redis, are the run and the epoch of the process.

        Raises
        ------
        StackError
            If another process has taken over.
        StaleState
            If Redis has forgotten the epoch.
        RedisFailure
            If Redis holds another run, or none.
        """
        if run_id != self.run_id:
            raise RedisFailure(
                f"this Redis holds run {run_id} now instead of {self.run_id}: restart this process"
                if run_id
                else f"this Redis has lost run {self.run_id}: restore its data, or start a new run "
                "with `rushhour prepare --new`"
            )
        held = int(epoch) if epoch and epoch.isdecimal() else 0
        if held > self.epoch:
            raise StackError(f"another {self.process} has taken over: this one ends")
        if held < self.epoch:
            raise StaleState(
                f"Redis went back in time: {keys.epoch(self.process)} is {held} instead of "
                f"{self.epoch}: restart this process"
            )

    def execute(
        self,
        client: redis.Redis,
        queue: Callable[[Pipeline], None],
        condition: Condition = _NO_CONDITION,
    ) -> list[Any] | None:
        """Run a transaction if Redis holds the run, the epoch and what the condition asks for.

        Takes three round trips. It is repeated if a watched key changes meanwhile.

        Parameters
        ----------
        queue
            Queues the commands of the transaction.

        Returns
        -------
        list or None
            The replies; None if the condition does not hold.

        Raises
        ------
        RushhourError
            As `check` does, or the condition.
        redis.RedisError
            If Redis fails. The transaction may have been executed even so; if it was in part, the
            run is marked as damaged.
        """
        fence_keys = (keys.RUN, keys.epoch(self.process))
        with client.pipeline() as pipe:
            for _ in range(_MAX_CONFLICTS):
                pipe.watch(*fence_keys, *condition.watched)  # type: ignore[no-untyped-call]
                run_id, epoch, *found = condition.script.run(
                    pipe, (*fence_keys, *condition.keys), condition.arguments
                )
                self.check(run_id, epoch)
                if not condition.holds(found):
                    return None
                pipe.multi()
                queue(pipe)
                try:
                    return pipe.execute()
                except redis.WatchError as error:
                    # The client raises it for a lost connection as well.
                    if isinstance(error.__context__, redis.RedisError):
                        raise error.__context__ from None
                except redis.ResponseError as error:
                    # Redis executes the other commands of a transaction if one fails, unless it
                    # has refused one before EXEC.
                    if not any(isinstance(each, _REFUSED) for each in (error, error.__context__)):
                        with suppress(RushhourError, redis.RedisError):
                            self.write_hash(client, keys.RUN, {keys.DAMAGE: str(error)[:_TEXT]})
                    raise
        raise RedisFailure(
            f"{', '.join(condition.watched)} changed {_MAX_CONFLICTS} times in a row while "
            f"{self.process} was writing: find out who writes to it (`redis-cli MONITOR`)"
        )

    def write_hash(self, client: redis.Redis, key: str, fields: Mapping[str, str | int]) -> None:
        """Set fields of a hash, in one round trip.

        Raises
        ------
        RushhourError
            As `check` does.
        """
        flat = [item for pair in fields.items() for item in pair]
        held = _WRITE_HASH.run(
            client,
            (keys.RUN, keys.epoch(self.process), key),
            (self.run_id, self.epoch, *flat),
        )
        self.check(*held)
