"""The running line: servers (embedded or given) and the three processes between them."""

import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import TracebackType

import redis

from rushhour.core import keys
from rushhour.core.errors import RedisFailure, StackError
from rushhour.core.run import RunInfo
from rushhour.core.settings import Settings
from rushhour.runtime.redis_client import connect
from rushhour.simulator.stack.child_process import ChildProcess, Cost
from rushhour.simulator.stack.processes import process_specs, start_process
from rushhour.simulator.stack.redis_server import EmbeddedRedis
from rushhour.simulator.stack.session import Session
from rushhour.simulator.stack.setup import prepare
from rushhour.storage.clock import load_status, save_status

_BROKER_START_S = 20.0


@dataclass
class Stack:
    """The servers of a run and, once started, its parts, from the end of the line to its start.

    That is the order in which they start, so that nothing is sent before it is read.
    """

    directory: Path
    settings: Settings
    bootstrap: str
    redis_url: str
    client: redis.Redis
    servers: list[ChildProcess]
    parts: dict[str, ChildProcess] = field(default_factory=dict)

    def start_pipeline(self, run: RunInfo) -> None:
        """Prepare Kafka and Redis for the run and start the line."""
        embedded = self.settings.kafka is None
        prepare(self.client, self.bootstrap, self.settings.partitions, run, create=not embedded)
        Session.of(run, self.redis_url, self.bootstrap).save(self.directory)
        servers = {"kafka": self.bootstrap, "redis": self.redis_url}
        line = process_specs(self.settings.model_copy(update=servers), run)
        for member in reversed(line):
            self.parts[member.name] = start_process(member, self.directory)

    def stop_pipeline(self) -> None:
        """Stop the parts, from the start of the line on; say so if the replay had not finished."""
        for part in reversed(self.parts.values()):
            part.stop()
        with suppress(redis.RedisError):
            status = load_status(self.client)
            if status is not None and status.state != "finished":
                save_status(self.client, replace(status, state="stopped"))

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
        """Return what each process has used, in the order of the line."""
        parts = (*reversed(self.parts.values()), *self.servers)
        return {part.name: part.cost_so_far() for part in parts}


@contextmanager
def open_stack(settings: Settings, directory: Path) -> Iterator[Stack]:
    """Yield the stack with its servers up; stop all of it at the end, however that comes.

    An embedded Redis saves its data when it stops, so that the run can still be looked at; if
    not a single hour was closed, the run saved before it is kept instead.

    Raises
    ------
    StackError
        If a server cannot be started.
    RedisFailure
        If the given Redis does not answer.
    """
    with ExitStack() as stops:
        servers: list[ChildProcess] = []
        broker: ChildProcess | None = None
        redis_url = settings.redis
        if settings.kafka is None:
            broker = ChildProcess.python(
                "broker", "rushhour.simulator.stack.broker", directory / "broker.log", {}
            )
            stops.callback(broker.stop)
            servers.append(broker)
        if redis_url is None:
            embedded = EmbeddedRedis(directory, settings.redis_port)
            stops.push(_SaveAndStop(embedded))
            servers.append(embedded.part)
            redis_url = embedded.url
        bootstrap = settings.kafka or _address_of(broker)
        stack = Stack(directory, settings, bootstrap, redis_url, connect(redis_url), servers)
        stops.callback(stack.stop_pipeline)
        yield stack


class _SaveAndStop(AbstractContextManager[None]):
    """Stops the embedded Redis; a failure to save never hides what went wrong before."""

    def __init__(self, server: EmbeddedRedis) -> None:
        self._server = server

    def __exit__(
        self,
        _type: type[BaseException] | None,
        error: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        try:
            self._server.stop(save=self._is_worth_saving())
        except StackError:
            if error is None:
                raise

    def _is_worth_saving(self) -> bool:
        try:
            return bool(connect(self._server.url).exists(keys.CITY_HOURLY))
        except (RedisFailure, redis.RedisError):
            return False


def _address_of(broker: ChildProcess | None) -> str:
    """Return the bootstrap address that the broker process prints."""
    assert broker is not None  # started whenever no bootstrap servers are given
    deadline = time.monotonic() + _BROKER_START_S
    while time.monotonic() < deadline:
        broker.check()
        lines = broker.log.read_text("utf-8", "replace").splitlines(keepends=True)
        if lines and lines[0].endswith("\n"):
            return lines[0].strip()
        time.sleep(0.02)
    raise StackError(f"the broker did not come up (log: {broker.log})")
