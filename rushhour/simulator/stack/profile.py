"""What each part of a run has used, exchanged and waited for: collected from all of them."""

import json
import resource
import shutil
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import redis

from rushhour.simulator.stack.child_process import Cost
from rushhour.simulator.stack.process_specs import Role

_DIRECTORY = "profile"
_SERVER = "redis"
_BROKER = "broker"
_THIS = "up"


@dataclass(frozen=True, slots=True)
class Part:
    """What one part has used, exchanged and waited for; None for what is not known.

    `cost` is None for a server that `up` has not started. `other_threads_s` are the CPU seconds of
    all threads but the main one. Messages of Redis are its commands. `waited_s` holds seconds for
    each reason (`rushhour.runtime.waiting`), the longest first.
    """

    name: str
    cost: Cost | None = None
    other_threads_s: float | None = None
    messages_in: int | None = None
    messages_out: int | None = None
    bytes_in: int | None = None
    bytes_out: int | None = None
    waited_s: Mapping[str, float] = field(default_factory=dict)


class Profiler:
    """Collects the profile of a run.

    Make it before the run begins: what Redis has done by then is none of the run's.
    """

    def __init__(self, state_dir: Path, client: redis.Redis) -> None:
        self.directory = state_dir / _DIRECTORY
        shutil.rmtree(self.directory, ignore_errors=True)  # that of an earlier run
        self.directory.mkdir()
        self._client = client
        self._before = _redis_counts(client)

    def parts(self, roles: Iterable[Role], costs: Mapping[str, Cost | None]) -> Iterator[Part]:
        """Yield the parts of a run whose processes have ended, in the order of the data flow.

        `costs` are those of the processes and servers that `up` has started. Servers that are no
        part of the data flow come after it.
        """
        beside = dict(costs)
        for role in roles:
            yield self._of_process(role, beside.pop(role.name, None))
        yield _of_server(_BROKER, beside.pop(_BROKER, None))
        now = _redis_counts(self._client)
        used = {name: count - self._before[name] for name, count in now.items()}
        yield _of_server(_SERVER, beside.pop(_SERVER, None), **used)
        for name, cost in beside.items():
            yield _of_server(name, cost)
        yield _of_server(_THIS, _own_cost())

    def _of_process(self, role: Role, cost: Cost | None) -> Part:
        """Return the sums over the lives of a process; a life that was killed has left nothing."""
        lives = [
            cast(dict[str, Any], json.loads(path.read_text("utf-8")))
            for path in self.directory.glob(f"{role.kind}-{role.number}.*.json")
        ]
        if not lives:
            return Part(role.name, cost)
        waited_s: Counter[str] = Counter()
        for life in lives:
            waited_s.update(life["waited_s"])

        def total(name: str) -> Any:
            return sum(life[name] for life in lives)

        return Part(
            role.name,
            cost,
            total("other_threads_s"),
            total("messages_received"),
            total("messages_sent"),
            total("bytes_received"),
            total("bytes_sent"),
            dict(waited_s.most_common()),
        )


def _of_server(name: str, cost: Cost | None, **counts: Any) -> Part:
    other_threads_s = None
    if cost is not None and cost.main_thread_s is not None:
        other_threads_s = max(0.0, cost.cpu_s - cost.main_thread_s)
    return Part(name, cost, other_threads_s, **counts)


def _redis_counts(client: redis.Redis) -> dict[str, int]:
    stats = cast(dict[str, int], client.info("stats"))
    return {
        "messages_in": stats["total_commands_processed"],
        "bytes_in": stats["total_net_input_bytes"],
        "bytes_out": stats["total_net_output_bytes"],
    }


def _own_cost() -> Cost:
    return Cost.of(resource.getrusage(resource.RUSAGE_SELF), None, time.thread_time())
