"""What was measured, as it is kept in a JSON file."""

import os
import platform
from pathlib import Path
from typing import Literal

import msgspec

from rushhour.core.version import VERSION

State = Literal["exact", "wrong", "failed", "over time"]


class About(msgspec.Struct, frozen=True, kw_only=True):
    """What results must have in common to be compared."""

    dataset: str
    month: str
    trips: int
    machine: str
    python: str
    rushhour: str
    kafka: str


class Measurement(msgspec.Struct, frozen=True, kw_only=True):
    """One run of a contender.

    `trips` is the number of trips that it was to count. `detail` says what was wrong.
    `broker_cpu_s` is None if the broker is not ours.
    """

    contender: str
    round: int
    trips: int
    state: State
    detail: str
    wall_s: float
    cpu_s: float
    peak_bytes: int
    broker_cpu_s: float | None


class Results(msgspec.Struct, kw_only=True):
    """All measurements of a file, and the contenders that were left out, with the reason.

    `labels` has what each contender is called, in the order of the table.
    """

    about: About
    labels: dict[str, str] = {}
    left_out: dict[str, str] = {}
    measurements: list[Measurement] = []

    def of(self, contender: str) -> list[Measurement]:
        """Return the measurements of a contender."""
        return [each for each in self.measurements if each.contender == contender]

    def has(self, contender: str, round_number: int) -> bool:
        """Whether a contender has done a round, with a result."""
        return any(
            each.round == round_number and each.state in ("exact", "wrong")
            for each in self.of(contender)
        )

    def add(self, measurement: Measurement) -> None:
        """Add a measurement; it replaces one of the same round."""
        key = (measurement.contender, measurement.round)
        self.measurements = [
            each for each in self.measurements if (each.contender, each.round) != key
        ]
        self.measurements.append(measurement)

    def save(self, file: Path) -> None:
        """Write the file, so that it is never half written."""
        file.parent.mkdir(parents=True, exist_ok=True)
        part = file.with_name(file.name + ".part")
        part.write_bytes(msgspec.json.format(msgspec.json.encode(self), indent=1) + b"\n")
        part.replace(file)


def load(file: Path) -> Results:
    """Read a file.

    Raises
    ------
    OSError
        If it cannot be read.
    msgspec.DecodeError
        If it is not a file of results.
    """
    return msgspec.json.decode(file.read_bytes(), type=Results)


def about(dataset: str, month: str, trips: int, kafka: str) -> About:
    """Describe a benchmark on this machine."""
    cpuinfo = Path("/proc/cpuinfo").read_text().splitlines()
    models = [line.partition(":")[2].strip() for line in cpuinfo if line.startswith("model name")]
    cores = len(os.sched_getaffinity(0))
    return About(
        dataset=dataset,
        month=month,
        trips=trips,
        machine=f"{models[0] if models else platform.machine()}, {cores} cores",
        python=platform.python_version(),
        rushhour=VERSION,
        kafka=kafka,
    )
