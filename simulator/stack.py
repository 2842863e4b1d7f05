"""The running line: servers (embedded or given) and the three processes between them."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import redis

from core.errors import StackError
from core.redis_client import connect
from core.run import RunInfo
from core.settings import Settings
from simulator.parts import Cost, Part
from simulator.prepare import prepare
from simulator.redis_server import EmbeddedRedis
from simulator.session import Session

_BROKER_START_S = 20.0
# In the order of the line; started from its end, so that nothing is sent before it is read.
PARTS = (("producer", "producers"), ("dataflow", "dataflows"), ("consumer", "consumers"))


@dataclass
class Stack:
    """The servers of a run and, once started, its parts."""

    directory: Path
    settings: Settings
    bootstrap: str
    redis_url: str
    client: redis.Redis
    servers: list[Part]
    parts: dict[str, Part] = field(default_factory=dict)

    def start_line(self, run: RunInfo) -> None:
        """Prepare Kafka and Redis for the run and start the line."""
        embedded = self.settings.kafka is None
        prepare(self.client, self.bootstrap, self.settings.partitions, run, create=not embedded)
        env = self.settings.as_environment() | {
            "RUSHHOUR_KAFKA": self.bootstrap,
            "RUSHHOUR_REDIS": self.redis_url,
        }
        for name, module in reversed(PARTS):
            self.parts[name] = Part.python(name, module, self.directory / f"{name}.log", env)

    def is_done(self) -> bool:
        """Whether every part has done its work.

        Raises
        ------
        StackError
            If a part or a server died. Says which and why.
        """
        for part in (*self.parts.values(), *self.servers):
            part.check()
        for server in self.servers:
            if server.poll() is not None:
                raise StackError(f"the {server.name} ended on its own (log: {server.log})")
        return all(part.poll() == 0 for part in self.parts.values())

    def costs(self) -> dict[str, Cost | None]:
        """Return what each ended process used, in the order of the line."""
        costs = {name: self.parts[name].cost for name, _ in PARTS if name in self.parts}
        return costs | {server.name: server.cost for server in self.servers}


@contextmanager
def open_stack(settings: Settings, directory: Path, run: RunInfo) -> Iterator[Stack]:
    """Yield the stack with its servers up; stop all of it at the end, however that comes.

    An embedded Redis saves its data when it stops, so that the run can still be looked at.

    Raises
    ------
    StackError
        If a server cannot be started.
    RedisError
        If the given Redis does not answer.
    """
    embedded_redis: EmbeddedRedis | None = None
    stack: Stack | None = None
    servers: list[Part] = []
    env = settings.as_environment()
    try:
        broker = None
        if settings.kafka is None:
            broker = Part.python("broker", "simulator.broker", directory / "broker.log", env)
            servers.append(broker)
        if settings.redis is None:
            embedded_redis = EmbeddedRedis(directory, settings.redis_port)
            servers.append(embedded_redis.part)
        redis_url = settings.redis or (embedded_redis.url if embedded_redis else "")
        bootstrap = settings.kafka or (_address_of(broker) if broker else "")
        client = connect(redis_url)
        stack = Stack(directory, settings, bootstrap, redis_url, client, servers)
        Session.of(run, redis_url, bootstrap).save(directory)
        yield stack
    finally:
        for part in stack.parts.values() if stack else ():
            part.stop()
        if embedded_redis is not None:
            embedded_redis.stop(save=True)
        for server in servers:
            server.stop()


def _address_of(broker: Part) -> str:
    """Return the bootstrap address that the broker process prints."""
    deadline = time.monotonic() + _BROKER_START_S
    while time.monotonic() < deadline:
        broker.check()
        lines = broker.log.read_text("utf-8", "replace").splitlines(keepends=True)
        if lines and lines[0].endswith("\n"):
            return lines[0].strip()
        time.sleep(0.02)
    raise StackError(f"the broker did not come up (log: {broker.log})")
