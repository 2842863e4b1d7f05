"""The processes of a pipeline on this machine, with the settings of each."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from rushhour.core.run import RunInfo
from rushhour.core.settings import Settings
from rushhour.simulator.stack.child_process import ChildProcess
from rushhour.simulator.stack.ports import HOST, free_ports


@dataclass(frozen=True, slots=True)
class ProcessSpec:
    """One process: its name, the Python module that it runs, and its settings."""

    name: str
    module: str
    settings: Settings


@dataclass(frozen=True, slots=True)
class Role:
    """What a process is in a pipeline.

    `kind` is `producer`, `dataflow` or `consumer`; `number` counts those of a kind, from 0.
    """

    name: str
    kind: str
    module: str
    number: int


def process_specs(settings: Settings, run: RunInfo) -> list[ProcessSpec]:
    """Return the processes of a run, in the order of the data flow.

    If a metrics port is set, each process serves metrics on its own port, counted from that one.
    """
    shared = settings.model_copy(update={"addresses": ",".join(_addresses(run.dataflows))})
    first_port = settings.metrics_port
    return [
        ProcessSpec(
            role.name,
            role.module,
            shared.model_copy(
                update={
                    "process": role.number,
                    "metrics_port": None if first_port is None else first_port + index,
                    "stay_alive": False,  # `up` waits for their end
                    "can_start_over": True,
                }
            ),
        )
        for index, role in enumerate(roles(run.dataflows, run.consumers))
    ]


def start_process(spec: ProcessSpec, directory: Path) -> ChildProcess:
    """Start a process that logs to `directory`.

    Raises
    ------
    StackError
        If it cannot be started.
    """
    log = _log(directory, spec.name)
    return ChildProcess.python(spec.name, spec.module, log, spec.settings.as_environment())


def load_process(role: Role, directory: Path) -> ChildProcess:
    """Start a process that loads its libraries and waits for its settings.

    Raises
    ------
    StackError
        If it cannot be started.
    """
    return ChildProcess.loading(role.name, role.module, role.kind, _log(directory, role.name))


def _log(directory: Path, name: str) -> Path:
    return directory / f"{name}.log"


def roles(dataflows: int, consumers: int) -> Iterator[Role]:
    """Yield what processes a pipeline has, in the order of the data flow."""
    for kind, count in (("producer", 1), ("dataflow", dataflows), ("consumer", consumers)):
        for number in range(count):
            yield Role(kind if count == 1 else f"{kind}-{number}", kind, f"{kind}s", number)


def _addresses(processes: int) -> list[str]:
    """Return the addresses of the processes of a Bytewax cluster; none for a single process."""
    if processes == 1:
        return []
    return [f"{HOST}:{port}" for port in free_ports(processes)]
