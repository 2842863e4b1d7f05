"""One run as real processes, each behind proxies of its own."""

import random
import socket
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from rushhour.core.hours import HOUR_MS, parse_label
from rushhour.runtime.failpoints import VARIABLE
from rushhour.simulator.stack.broker import CLIENT_CONF
from rushhour.simulator.stack.child_process import python_command
from rushhour.simulator.stack.ports import HOST
from tests.chaos.control import Control, Event
from tests.chaos.invariants import Watch
from tests.chaos.launch import launch
from tests.chaos.proxy import Loop, Proxy
from tests.chaos.servers import Broker, RedisServer
from tests.chaos.supervisor import End, Supervisor

LEASE_S = 2.0
SHORT_LIMITS = {
    "lease.seconds": LEASE_S,
    "lease.renew.seconds": 0.4,
    "dataflow.epoch.seconds": 0.3,
    "redis.answer.seconds": 3.0,
    "kafka.socket.seconds": 3.0,
}
PREPARE = "prepare-0"
_PORTS = (20_000, 32_000)
_PREPARE_ATTEMPTS = 6
_COMMAND_S = 120.0
_MODULES = {"producer": "producers", "dataflow": "dataflows", "consumer": "consumers"}


@dataclass(frozen=True, slots=True)
class Plan:
    """What is replayed, and how: a few dozen hours of a small file."""

    trip_file: Path
    first: str = "2024-10-01T00"
    last: str = "2024-10-02T11"
    speed: str = "12h/s"
    ahead_hours: int = 4

    @property
    def start_ts(self) -> int:
        """First hour (epoch ms)."""
        return parse_label(self.first)

    @property
    def hours(self) -> int:
        """Number of hours."""
        return (parse_label(self.last) - self.start_ts) // HOUR_MS + 1

    def environment(self) -> dict[str, str]:
        """Return the settings that all processes share."""
        return {
            "RUSHHOUR_DATASET": "green",
            "RUSHHOUR_MONTH": "2024-10",
            "RUSHHOUR_DATA": str(self.trip_file),
            "RUSHHOUR_FROM": self.first.replace("T", " ") + ":00",
            "RUSHHOUR_UNTIL": self.last.replace("T", " ") + ":00",
            "RUSHHOUR_SPEED": self.speed,
            "RUSHHOUR_AHEAD_HOURS": str(self.ahead_hours),
        }


@dataclass(frozen=True, slots=True)
class Links:
    """The proxies of one process."""

    redis: Proxy
    kafka: Proxy


class Pipeline:
    """A Redis, the processes of a run, and their proxies, beside a broker that may be shared.

    Parameters
    ----------
    loop
        Where the proxies run.
    broker
        Kafka.
    directory
        Where logs, data and recovery stores are.
    plan
        What is replayed.
    processes
        Number of dataflow processes and of consumers.
    on_event
        Called for each event, with the name of the process that is held meanwhile.
    dump
        What Redis holds before the run.
    limits
        How long processes wait for one another and for the servers.
    """

    def __init__(  # noqa: PLR0913 - the parts of a run
        self,
        loop: Loop,
        broker: Broker,
        directory: Path,
        plan: Plan,
        processes: tuple[int, int],
        *,
        on_event: Callable[[str, Event], None] = lambda _process, _event: None,
        dump: Path | None = None,
        limits: Mapping[str, float] = SHORT_LIMITS,
    ) -> None:
        self.directory = directory
        self.broker = broker
        self.plan = plan
        self.recovery = directory / "recovery"
        self.redis = RedisServer(directory / "redis", dump)
        end_ts = plan.start_ts + plan.hours * HOUR_MS
        self.watch = Watch(self.redis.client, plan.start_ts, end_ts, plan.ahead_hours)
        self._on_event = on_event
        self._limits = limits
        dataflows, consumers = processes
        self._shared = plan.environment() | {
            "RUSHHOUR_DATAFLOWS": str(dataflows),
            "RUSHHOUR_CONSUMERS": str(consumers),
            "RUSHHOUR_TOPIC_PREFIX": broker.topic_prefix,
            "RUSHHOUR_KAFKA_CONF__FETCH_WAIT_MAX_MS": CLIENT_CONF["fetch.wait.max.ms"],
            "RUSHHOUR_RECOVERY_DIR": str(self.recovery),
            "RUSHHOUR_STATE_DIR": str(directory / "state"),
            "RUSHHOUR_CACHE_DIR": str(directory / "cache"),
            "RUSHHOUR_ADDRESSES": ",".join(f"{HOST}:{port}" for port in _ports(dataflows)),
        }
        names = ["producer-0"]
        names += [f"dataflow-{i}" for i in range(dataflows)]
        names += [f"consumer-{i}" for i in range(consumers)]
        self.control = Control(self._answer)
        self.links = {
            name: Links(Proxy(loop, self.redis.address), Proxy(loop, broker.address, kafka=True))
            for name in [*names, PREPARE]
        }
        logs = directory / "logs"
        logs.mkdir()
        self.supervisor = Supervisor(
            logs,
            {name: (_MODULES[room_of(name)], self._environment(name)) for name in names},
        )
        self._prepare_pid: int | None = None
        self._commands = 0

    def prepare(self, *flags: str) -> list[End]:
        """Prepare the run. If that fails, do it without flags and with flags in turn.

        An earlier run that is still whole is not replaced without flags; one that is not whole must
        not pass for a finished one.

        Returns
        -------
        list[End]
            How each attempt ended, the last of them well unless the run cannot be prepared.
        """
        ends: list[End] = []
        while len(ends) < _PREPARE_ATTEMPTS:
            ends.append(self._command("prepare", *(flags if len(ends) % 2 == 0 else ())))
            if ends[-1].code == 0:
                break
        return ends

    def verify(self) -> End:
        """Run `rushhour verify`, which recounts the trip file and replays the forecasts."""
        return self._command("verify")

    def _command(self, *words: str) -> End:
        """Run a command of `rushhour` to its end."""
        self._commands += 1
        log = self.directory / "logs" / f"{words[0]}-0.{self._commands}.log"
        command = python_command("rushhour.simulator", *words)
        process = launch(words[0], command, log, self._environment(PREPARE))
        self._prepare_pid = process.pid
        process.wait(_COMMAND_S)
        if process.poll() is None:
            process.stop()
        return End(words[0], process.poll() or 0, process.last_message())

    def name_of(self, pid: int) -> str | None:
        """Return the name of a process of this run."""
        return PREPARE if pid == self._prepare_pid else self.supervisor.name_of(pid)

    def pid_of(self, name: str) -> int | None:
        """Return the id of a process that runs."""
        return self._prepare_pid if name == PREPARE else self.supervisor.pid_of(name)

    def point_to_broker(self) -> None:
        """Point the proxies to the broker as it is now."""
        for links in self.links.values():
            links.kafka.upstream = self.broker.address

    def close(self) -> None:
        """End all processes and the server."""
        self.supervisor.kill()
        self.control.close()
        for links in self.links.values():
            links.redis.close()
            links.kafka.close()
        self.redis.close()

    def _answer(self, event: Event) -> str:
        process = self.name_of(event.pid)
        for _ in range(100):  # the pid of a process that was started a moment ago
            if process is not None:
                break
            time.sleep(0.01)
            process = self.name_of(event.pid)
        if process is not None:
            self.watch.note(process, event)
            self._on_event(process, event)
        return "go"

    def _environment(self, name: str) -> dict[str, str]:
        limits = ";".join(f"{limit}={value}" for limit, value in self._limits.items())
        links = self.links[name]
        return self._shared | {
            "RUSHHOUR_REDIS": f"redis://{links.redis.address}",
            "RUSHHOUR_KAFKA": links.kafka.address,
            "RUSHHOUR_PROCESS": name.rpartition("-")[2],
            "PYTHONUNBUFFERED": "1",
            VARIABLE: f"*=*:hold:{self.control.path};{limits}",
        }


def _ports(count: int) -> list[int]:
    """Return free ports below those that the system gives to connections, which come and go."""
    found: list[int] = []
    while len(found) < count:
        port = random.randrange(*_PORTS)
        with socket.socket() as probe:
            if port not in found and probe.connect_ex((HOST, port)) != 0:
                found.append(port)
    return found


def room_of(process: str) -> str:
    """Return the room of a process: `consumer` of `consumer-1`."""
    return process.rpartition("-")[0]
