"""What a nemesis does to a run: steps of a trigger, a fault and a target."""

from dataclasses import dataclass

# How a step names the process that reached its trigger.
SAME = "same"


@dataclass(frozen=True, slots=True)
class Trigger:
    """An event: a process of a room reaches a failpoint.

    `number` is the hour of the run from which on a failpoint with an hour counts; for other
    failpoints, how often processes of the room have reached it. `partition` narrows a failpoint
    that has one.
    """

    room: str
    failpoint: str
    number: int
    partition: int | None = None

    def __str__(self) -> str:
        where = "" if self.partition is None else f" on partition {self.partition}"
        return f"{self.room} at {self.failpoint} {self.number}{where}"


@dataclass(frozen=True, slots=True)
class Step:
    """One fault of a schedule. `target` is a process, a topic, or SAME."""

    trigger: Trigger
    fault: str
    target: str = SAME

    def __str__(self) -> str:
        return f"{self.trigger}: {self.fault} ({self.target})"


@dataclass(frozen=True, slots=True)
class Schedule:
    """A run's number of processes, and what happens to it."""

    steps: tuple[Step, ...]
    dataflows: int = 1
    consumers: int = 1
    seed: int | None = None

    def __str__(self) -> str:
        head = f"seed {self.seed}: " if self.seed is not None else ""
        processes = f"{head}dataflow processes {self.dataflows}, consumers {self.consumers}"
        return "\n".join([processes, *(f"  {step}" for step in self.steps)])
