"""The Kafka that all contenders read from: a given one, or one that is started here."""

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from rushhour.simulator.stack.child_process import cpu_s_of
from rushhour.simulator.stack.ports import HOST, free_ports

_SCRIPT = Path(__file__).parents[2] / ".ci" / "images" / "kafka" / "broker.sh"


class NoBrokerError(Exception):
    """Why there is no Kafka, and what to do."""


@dataclass(frozen=True, slots=True)
class Broker:
    """A Kafka at `bootstrap`; `pid` is its process, None if it is not ours."""

    bootstrap: str
    pid: int | None = None

    def cpu_s(self) -> float | None:
        """Return the CPU seconds that it has used so far; None if it is not ours."""
        if self.pid is None:
            return None
        return sum(cpu_s_of(Path(f"/proc/{self.pid}/stat")))


@contextmanager
def broker(given: str | None, cache: Path) -> Iterator[Broker]:
    """Yield the given Kafka, or start one whose data is in the cache, and stop it.

    Raises
    ------
    NoBrokerError
        If none was given and none can be started.
    """
    if given is not None:
        yield Broker(given)
        return
    port, controller = free_ports(2)
    data = cache / "kafka"
    ports = {"KAFKA_PORT": str(port), "KAFKA_CONTROLLER_PORT": str(controller)}
    environment = os.environ | ports | {"KAFKA_DATA": str(data.absolute()), "KAFKA_HEAP": "1g"}

    def run(verb: str) -> None:
        done = subprocess.run(
            [str(_SCRIPT), verb],
            env=environment,
            stdin=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            text=True,
            check=False,
        )
        if done.returncode:
            reason = (done.stderr.strip().splitlines() or ["no message"])[-1]
            raise NoBrokerError(f"no Kafka ({reason}): name yours with --kafka HOST:PORT")

    run("resolve")
    run("stop")  # one that an interrupted benchmark has left
    run("start")
    try:
        yield Broker(f"{HOST}:{port}", int((data / "pid").read_text()))
    finally:
        run("stop")
