"""What a nemesis can do to a run, and which outcomes each fault allows.

A fault begins while the process that reached the trigger is held. What lasts for a while returns
an `Ending`: the process goes on meanwhile.
"""

import os
import shutil
import signal
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from rushhour.core.errors import DataError, KafkaFailure, RedisFailure
from rushhour.core.topics import PREDICTIONS, TRIPS, ZONE_TOPICS
from tests.chaos import poison
from tests.chaos.pipeline import LEASE_S, PREPARE, room_of
from tests.chaos.proxy import Mode, Proxy

if TYPE_CHECKING:
    from tests.chaos.world import World

ROOMS = ("producer", "dataflow", "consumer")
READ_TOPICS = (TRIPS, *ZONE_TOPICS)
FREEZE_S = 3 * LEASE_S
# Longer than a client waits for an answer.
OUTAGE_S = 4.5
CUT_S = 1.0
# A process ends within this time of SIGTERM, whatever it waits for.
TERM_S = 8.0


@dataclass(frozen=True, slots=True)
class Ending:
    """What ends a fault, and how long it lasts in seconds of wall time."""

    seconds: float
    act: Callable[[], object]


Act = Callable[["World", str], Ending | None]


@dataclass(frozen=True, slots=True)
class Fault:
    """One kind of fault.

    Attributes
    ----------
    act
        Begins it, given the run and the target.
    targets
        Rooms or topics of which one is drawn; empty if the fault has no target.
    may_stop
        Exit codes with which a process may stop for good. A run that finishes must be equal.
    late
        It ends most runs, so that it is drawn for their last hours.
    """

    act: Act
    targets: tuple[str, ...] = ()
    may_stop: frozenset[int] = frozenset()
    late: bool = False


def _kill(world: "World", process: str) -> None:
    pid = world.pipeline.pid_of(process)
    if pid is not None:
        world.pipeline.supervisor.signal(pid, signal.SIGKILL)


def _terminate(world: "World", process: str) -> Ending | None:
    pid = world.pipeline.pid_of(process)
    if pid is None:
        return None
    world.pipeline.supervisor.signal(pid, signal.SIGTERM)

    def check() -> None:
        if world.pipeline.pid_of(process) == pid:
            world.violations.append(f"{process} did not end within {TERM_S:.0f} s of SIGTERM")
            world.pipeline.supervisor.signal(pid, signal.SIGKILL)

    return Ending(TERM_S, check)


def _freeze(world: "World", process: str, *, replaced: bool) -> Ending | None:
    """Stop a process for three leases. A member of a cluster cannot be replaced: it has a port."""
    pid = world.pipeline.pid_of(process)
    if pid is None:
        return None
    world.pipeline.supervisor.signal(pid, signal.SIGSTOP)
    if replaced and not (room_of(process) == "dataflow" and world.schedule.dataflows > 1):
        world.pipeline.supervisor.replace(process)
    return Ending(FREEZE_S, lambda: world.pipeline.supervisor.signal(pid, signal.SIGCONT))


def _switch(world: "World", process: str, *, server: str, mode: Mode, seconds: float) -> Ending:
    proxy: Proxy = getattr(world.pipeline.links[process], server)
    proxy.switch(mode)
    return Ending(seconds, lambda: proxy.switch("open"))


def _redis_down(world: "World", _target: str) -> Ending:
    dump = world.pipeline.redis.save()
    world.pipeline.redis.kill()
    return Ending(CUT_S, lambda: world.pipeline.redis.start(dump))


def _redis_frozen(world: "World", _target: str) -> Ending:
    world.pipeline.redis.freeze()
    return Ending(OUTAGE_S, world.pipeline.redis.resume)


def _redis_older(world: "World", _target: str) -> None:
    _put_back(world, older=True)


def _redis_empty(world: "World", _target: str) -> None:
    _put_back(world, older=False)


def _put_back(world: "World", *, older: bool) -> None:
    world.pipeline.redis.kill()
    world.pipeline.watch.forget()
    world.pipeline.redis.start(world.older_dump() if older else None)
    world.pipeline.watch.forget()


def _redis_read_only(world: "World", _target: str) -> Ending:
    client = world.pipeline.redis.client
    client.config_set("replica-serve-stale-data", "yes")
    client.execute_command("REPLICAOF", "127.0.0.1", "1")  # type: ignore[no-untyped-call]

    def writable() -> None:
        client.execute_command("REPLICAOF", "NO", "ONE")  # type: ignore[no-untyped-call]

    return Ending(CUT_S, writable)


def _redis_out_of_memory(world: "World", _target: str) -> Ending:
    client = world.pipeline.redis.client
    client.config_set("maxmemory", 1)
    return Ending(CUT_S, lambda: client.config_set("maxmemory", 0))


def _kafka_frozen(world: "World", _target: str) -> Ending:
    """Stop the broker; a real Kafka is not ours to stop: nothing comes through to it."""
    if world.broker.embedded:
        world.broker.freeze()
        return Ending(OUTAGE_S, world.broker.resume)
    proxies = [links.kafka for links in world.pipeline.links.values()]
    for proxy in proxies:
        proxy.switch("half-open")

    def open_all() -> None:
        for proxy in proxies:
            proxy.switch("open")

    return Ending(OUTAGE_S, open_all)


def _kafka_lost(world: "World", _target: str) -> None:
    world.broker.lose()
    world.point_to_broker()


def _stores_deleted(world: "World", process: str, *, every: bool) -> None:
    """Kill dataflow processes, and delete their recovery stores before they start again."""
    killed = [f"dataflow-{i}" for i in range(world.schedule.dataflows)] if every else [process]
    for name in killed:
        _kill(world, name)
        number = name.rpartition("-")[2]
        shutil.rmtree(world.pipeline.recovery / f"process-{number}", ignore_errors=True)


def _undecodable(world: "World", topic: str) -> None:
    poison.undecodable(world.broker.bootstrap, world.broker.topic(topic))


def _altered(
    world: "World", _target: str, *, topic: str, kind: str, change: Callable[[poison.Fields], None]
) -> None:
    if not poison.altered(world.broker.bootstrap, world.broker.topic(topic), kind, change):
        world.notes.append("there was no record to alter")


def _repeated(world: "World", topic: str, *, foreign: bool) -> None:
    poison.repeated(world.broker.bootstrap, world.broker.topic(topic), foreign=foreign)


def _bad_commands(world: "World", _target: str) -> None:
    poison.bad_commands(world.pipeline.redis.client)


def _stray_hour(world: "World", _target: str) -> None:
    poison.stray_hour(world.pipeline.redis.client)


def _second_run(world: "World", _target: str) -> None:
    world.start_second_run()


def _file_replaced(world: "World", _target: str) -> None:
    """Replace the trip file, and kill the producer, which has read it."""
    os.replace(world.other_trip_file(), world.pipeline.plan.trip_file)
    _kill(world, "producer-0")


_CODE_OF_DATA = frozenset({DataError.exit_code})
_CODE_OF_KAFKA = frozenset({KafkaFailure.exit_code})
_CODE_OF_REDIS = frozenset({RedisFailure.exit_code})

_MODES: dict[Mode, float] = {
    "cut": CUT_S,
    "delayed": 2 * CUT_S,
    "half-open": OUTAGE_S,
    "mute": OUTAGE_S,
}
_LINK_FAULTS = {
    f"{server}.{mode}": Fault(
        partial(_switch, server=server, mode=mode, seconds=seconds),
        ROOMS if server == "kafka" else ("producer", "consumer"),
    )
    for server in ("redis", "kafka")
    for mode, seconds in _MODES.items()
}

FAULTS: dict[str, Fault] = {
    "kill": Fault(_kill, ROOMS),
    "kill.prepare": Fault(_kill, (PREPARE,)),
    "term": Fault(_terminate, ROOMS),
    "freeze": Fault(partial(_freeze, replaced=False), ROOMS),
    "freeze.replaced": Fault(partial(_freeze, replaced=True), ROOMS),
    **_LINK_FAULTS,
    "redis.down": Fault(_redis_down),
    "redis.frozen": Fault(_redis_frozen),
    "redis.read-only": Fault(_redis_read_only),
    "redis.out-of-memory": Fault(_redis_out_of_memory),
    "redis.older": Fault(_redis_older),
    "redis.empty": Fault(_redis_empty, may_stop=_CODE_OF_REDIS, late=True),
    "kafka.frozen": Fault(_kafka_frozen),
    "kafka.lost": Fault(_kafka_lost, may_stop=_CODE_OF_KAFKA, late=True),
    "store.deleted": Fault(partial(_stores_deleted, every=False), ("dataflow",)),
    "stores.deleted": Fault(partial(_stores_deleted, every=True), ("dataflow",)),
    "poison.undecodable": Fault(_undecodable, READ_TOPICS),
    "poison.foreign": Fault(partial(_repeated, foreign=True), READ_TOPICS),
    "poison.repeated": Fault(partial(_repeated, foreign=False), READ_TOPICS),
    "poison.huge-seq": Fault(
        partial(_altered, topic=TRIPS, kind="trip", change=poison.with_huge_seq),
        may_stop=_CODE_OF_KAFKA,
    ),
    "poison.stray-trip": Fault(
        partial(_altered, topic=TRIPS, kind="trip", change=poison.in_another_zone),
        may_stop=_CODE_OF_KAFKA,
        late=True,
    ),
    "poison.tick-2099": Fault(
        partial(_altered, topic=TRIPS, kind="tick", change=poison.in_2099),
        may_stop=_CODE_OF_KAFKA,
    ),
    "poison.far-hour": Fault(
        partial(_altered, topic=PREDICTIONS, kind="prediction", change=poison.for_a_far_hour),
        may_stop=_CODE_OF_KAFKA,
    ),
    "poison.commands": Fault(_bad_commands),
    "poison.city": Fault(_stray_hour, may_stop=_CODE_OF_REDIS, late=True),
    "second-run": Fault(_second_run),
    "file.replaced": Fault(_file_replaced, may_stop=_CODE_OF_DATA, late=True),
}
