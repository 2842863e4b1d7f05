"""A running pipeline: its servers, embedded or given, and the processes between them."""

import os
import time
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import TracebackType
from typing import NamedTuple

import redis

from rushhour.core import keys
from rushhour.core.clock import ClockStatus
from rushhour.core.errors import RedisFailure, StackError
from rushhour.core.kafka_cluster import KafkaCluster
from rushhour.core.redis_address import RedisAddress
from rushhour.core.run import RunInfo, new_run_id
from rushhour.core.settings import Settings
from rushhour.core.timeline import Schedule
from rushhour.core.topics import TOPICS
from rushhour.runtime.redis_client import connect
from rushhour.simulator.stack.broker import CLIENT_CONF
from rushhour.simulator.stack.child_process import ChildProcess, Cost, python_command
from rushhour.simulator.stack.process_specs import (
    load_process,
    process_specs,
    roles,
    start_process,
)
from rushhour.simulator.stack.profile import Part, Profiler
from rushhour.simulator.stack.redis_server import EmbeddedRedis, port_for_clients
from rushhour.simulator.stack.session import Session
from rushhour.simulator.stack.setup import prepare, prepare_again
from rushhour.storage.clock import load_status, save_status
from rushhour.storage.timeline import save_schedule

_BROKER_START_S = 20.0
_POLL_S = 0.02
_PRODUCER = "producer"  # as `roles` names it


class Repeated(NamedTuple):
    """A run that another one repeats: its id, and what it did."""

    run_id: str
    schedule: Schedule


@dataclass
class Stack:
    """The servers of a run and, once started, its processes by name.

    `processes` is in the order of starting, which is against the flow of data: consumers, dataflow
    processes, producer. So nothing is sent before its reader runs. `loading` holds those that wait
    for their settings.
    """

    directory: Path
    settings: Settings
    kafka: KafkaCluster
    redis_address: RedisAddress
    client: redis.Redis
    servers: list[ChildProcess]
    loading: dict[str, ChildProcess] = field(default_factory=dict)
    profiler: Profiler | None = None
    processes: dict[str, ChildProcess] = field(default_factory=dict)

    @property
    def run_settings(self) -> Settings:
        """The settings of the run, with the addresses of its servers."""
        servers = {"kafka": self.kafka.bootstrap, "redis": self.redis_address.url}
        return self.settings.model_copy(update=servers)

    def start_pipeline(
        self, run: RunInfo, status: ClockStatus | None = None, repeated: Repeated | None = None
    ) -> None:
        """Prepare Kafka and Redis for the run and start its processes.

        With a status, the run starts over: the clock goes on as that one says, and the run keeps
        what was told of it. With a repeated run, it does what that one did.

        Raises
        ------
        KafkaFailure
            If Kafka does not answer, or its topics cannot be used.
        StackError
            If a run is live on this Redis, or a process cannot be started.
        """
        embedded = self.settings.kafka is None
        if status is None:
            prepare(self.client, self.kafka, self.settings.partitions, run, create=not embedded)
        else:
            prepare_again(self.client, self.kafka, run)
            save_status(self.client, status)
        if repeated is not None:
            save_schedule(self.client, *repeated)
        previous = Session.load(self.directory)
        saved_by = previous.saved_by if previous is not None else None
        address = self.redis_address
        bootstrap = self.kafka.bootstrap
        session = Session(
            os.getpid(), run.run_id, address.url, bootstrap, address.key_prefix, saved_by
        )
        session.save(self.directory)
        settings = self.run_settings
        if self.profiler is not None:
            settings = settings.model_copy(update={"profile_dir": self.profiler.directory})
        specs = process_specs(settings, run)
        for spec in reversed(specs):
            process = self.loading.pop(spec.name, None)
            if process is None:
                process = start_process(spec, self.directory)
            else:
                process.begin(spec.settings.as_environment())
            self.processes[spec.name] = process

    def start_over(self, run: RunInfo, status: ClockStatus) -> RunInfo:
        """Start the run again from its first hour, after a command that leads back.

        Returns
        -------
        RunInfo
            The new run: that of before under another id.

        Raises
        ------
        RushhourError
            As `start_pipeline` does.
        """
        self._stop_processes()
        self.processes.clear()
        again = replace(run, run_id=new_run_id())
        begin = replace(
            status,
            now_ts=run.start_ts,
            state="starting",
            trips=0,
            start_over_ts=None,
            original_ts=run.original_ts(run.start_ts),
        )
        self.start_pipeline(again, begin)
        return again

    def ended_on_command(self) -> ClockStatus | None:
        """Return the status with which a command has ended the producer; None if none has."""
        producer = self.processes.get(_PRODUCER)
        if producer is None or producer.poll() != 0:
            return None
        status = load_status(self.client)
        ended = status and (status.state == "stopped" or status.start_over_ts is not None)
        return status if ended else None

    def stop_pipeline(self) -> None:
        """Stop the processes, the producer first; mark an unfinished replay as stopped."""
        self._stop_processes()
        with suppress(redis.RedisError):
            status = load_status(self.client)
            if status is not None and status.state != "finished":
                save_status(self.client, replace(status, state="stopped"))

    def _stop_processes(self) -> None:
        for process in reversed(self.processes.values()):
            process.stop()

    def is_done(self) -> bool:
        """Whether every process has done its work.

        Raises
        ------
        StackError
            If a process or a server died. Names it, with its last message and its log.
        """
        for process in (*self.processes.values(), *self.servers):
            process.check()
        for server in self.servers:
            if server.poll() is not None:
                raise StackError(f"the {server.name} ended unexpectedly (log: {server.log})")
        return all(process.poll() == 0 for process in self.processes.values())

    def costs(self) -> dict[str, Cost | None]:
        """Return the resources that each process has used, in the order of the data flow."""
        processes = (*reversed(self.processes.values()), *self.servers)
        return {process.name: process.cost_so_far() for process in processes}

    def profile(self, costs: Mapping[str, Cost | None]) -> list[Part] | None:
        """Return what each part has used and waited for, once all are done; None unless wanted.

        `costs` are those of `costs`, and of servers that the stack does not know.
        """
        if self.profiler is None:
            return None
        of_run = roles(self.settings.dataflows, self.settings.consumers)
        return list(self.profiler.parts(of_run, costs))


@contextmanager
def open_stack(
    settings: Settings, directory: Path, *, preload: bool = False, profile: bool = False
) -> Iterator[Stack]:
    """Yield a stack with running servers; stop everything on exit, after errors as well.

    With `preload`, the processes load their libraries meanwhile, until `start_pipeline`. With
    `profile`, they record what they use and wait for.

    An embedded Redis saves its data when it stops, so that the run can be read later. If no hour
    was closed, the run saved before is kept instead.

    Raises
    ------
    StackError
        If a server cannot be started, or the data cannot be saved.
    RedisFailure
        If the given Redis does not answer.
    """
    with ExitStack() as stops:
        servers: list[ChildProcess] = []
        broker: ChildProcess | None = None
        redis_address = settings.redis_address
        if settings.kafka is None:
            # The properties of the settings are those of another Kafka.
            settings = settings.model_copy(update={"kafka_conf": CLIENT_CONF})
            broker = _start_broker(settings, directory)
            stops.callback(broker.stop)
            servers.append(broker)
        loading: dict[str, ChildProcess] = {}
        for role in roles(settings.dataflows, settings.consumers) if preload else ():
            loading[role.name] = load_process(role, directory)
            stops.callback(loading[role.name].stop)
        if redis_address is None:
            embedded = EmbeddedRedis(directory, port_for_clients(settings.redis_port))
            stops.push(_SaveAndStop(embedded, directory))
            servers.append(embedded.process)
            redis_address = RedisAddress(embedded.url)
        bootstrap = settings.kafka or _address_of(broker)
        client = connect(redis_address)
        stack = Stack(
            directory,
            settings,
            settings.cluster(bootstrap),
            redis_address,
            client,
            servers,
            loading,
            Profiler(directory, client) if profile else None,
        )
        stops.callback(stack.stop_pipeline)
        yield stack


class _SaveAndStop(AbstractContextManager[None]):
    """Stops the embedded Redis; a failure to save does not replace an earlier error."""

    def __init__(self, server: EmbeddedRedis, directory: Path) -> None:
        self._server = server
        self._directory = directory

    def __exit__(
        self,
        _type: type[BaseException] | None,
        error: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        try:
            self._stop()
        except StackError:
            # Ctrl-C is no error: the user expects the run to be saved.
            if error is None or isinstance(error, KeyboardInterrupt):
                raise

    def _stop(self) -> None:
        save = self._is_worth_saving()
        self._server.stop(save=save)
        session = Session.load(self._directory)
        if save and session is not None:
            replace(session, saved_by=self._server.binary).save(self._directory)

    def _is_worth_saving(self) -> bool:
        try:
            return bool(connect(self._server.url).exists(keys.CITY_HOURLY))
        except (RedisFailure, redis.RedisError):
            return False


def _start_broker(settings: Settings, directory: Path) -> ChildProcess:
    topics = map(settings.cluster("").topic, TOPICS)
    command = python_command("rushhour.simulator.stack.broker", *topics)
    return ChildProcess("broker", command, directory / "broker.log")


def _address_of(broker: ChildProcess | None) -> str:
    """Return the bootstrap address that the broker process prints."""
    assert broker is not None  # started whenever no bootstrap servers are given
    deadline = time.monotonic() + _BROKER_START_S
    while time.monotonic() < deadline:
        broker.check()
        first, newline, _ = broker.log.read_text("utf-8", "replace").partition("\n")
        if newline:
            return first
        time.sleep(_POLL_S)
    raise StackError(f"the broker did not start (log: {broker.log})")
