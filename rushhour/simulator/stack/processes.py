"""Which processes a line is made of, and what each of them is told."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from rushhour.core.run import RunInfo
from rushhour.core.settings import Settings
from rushhour.simulator.stack.child_process import ChildProcess
from rushhour.simulator.stack.ports import HOST, free_ports


@dataclass(frozen=True, slots=True)
class ProcessSpec:
    """One process: its name, the module that it runs, and its settings."""

    name: str
    module: str
    settings: Settings


def process_specs(settings: Settings, run: RunInfo) -> list[ProcessSpec]:
    """Return the processes of a run on this machine, in the order of the line.

    If metrics are wanted, each serves them on a port of its own, from the given one on.
    """
    shared = settings.model_copy(update={"addresses": ",".join(_addresses(run.dataflows))})
    first = settings.metrics_port
    return [
        ProcessSpec(
            name,
            module,
            shared.model_copy(
                update={
                    "process": process,
                    "metrics_port": None if first is None else first + place,
                    "stay_alive": False,  # `up` waits for them to end
                }
            ),
        )
        for place, (name, module, process) in enumerate(_processes(run))
    ]


def start_process(member: ProcessSpec, directory: Path) -> ChildProcess:
    """Start a process; its log goes to the directory."""
    log = directory / f"{member.name}.log"
    return ChildProcess.python(member.name, member.module, log, member.settings.as_environment())


def _processes(run: RunInfo) -> Iterator[tuple[str, str, int]]:
    yield "producer", "producers", 0
    for name, module, count in (
        ("dataflow", "dataflows", run.dataflows),
        ("consumer", "consumers", run.consumers),
    ):
        for process in range(count):
            yield name if count == 1 else f"{name}-{process}", module, process


def _addresses(processes: int) -> list[str]:
    """Return where the processes of a dataflow cluster meet; none for a single one."""
    if processes == 1:
        return []
    return [f"{HOST}:{port}" for port in free_ports(processes)]
