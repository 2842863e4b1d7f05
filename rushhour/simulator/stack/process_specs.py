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


def process_specs(settings: Settings, run: RunInfo) -> list[ProcessSpec]:
    """Return the processes of a run, in the order of the data flow.

    If a metrics port is set, each process serves metrics on its own port, counted from that one.
    """
    shared = settings.model_copy(update={"addresses": ",".join(_addresses(run.dataflows))})
    first_port = settings.metrics_port
    return [
        ProcessSpec(
            name,
            module,
            shared.model_copy(
                update={
                    "process": number,
                    "metrics_port": None if first_port is None else first_port + index,
                    "stay_alive": False,  # `up` waits for their end
                }
            ),
        )
        for index, (name, module, number) in enumerate(_processes(run))
    ]


def start_process(spec: ProcessSpec, directory: Path) -> ChildProcess:
    """Start a process that logs to `directory`.

    Raises
    ------
    StackError
        If it cannot be started.
    """
    log = directory / f"{spec.name}.log"
    return ChildProcess.python(spec.name, spec.module, log, spec.settings.as_environment())


def _processes(run: RunInfo) -> Iterator[tuple[str, str, int]]:
    """Yield name, module and number of each process."""
    yield "producer", "producers", 0
    for name, module, count in (
        ("dataflow", "dataflows", run.dataflows),
        ("consumer", "consumers", run.consumers),
    ):
        for number in range(count):
            yield name if count == 1 else f"{name}-{number}", module, number


def _addresses(processes: int) -> list[str]:
    """Return the addresses of the processes of a Bytewax cluster; none for a single process."""
    if processes == 1:
        return []
    return [f"{HOST}:{port}" for port in free_ports(processes)]
