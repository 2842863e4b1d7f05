"""What the processes of a cluster tell one another, and what follows from it.

`dataflows.cluster` carries it through Redis, and explains the steps.
"""

import hashlib
from collections.abc import Mapping, Sequence
from enum import IntEnum

import msgspec

from dataflows.recovery import NEW, Progress, resume_epoch

GENERATION = "generation"


class Step(IntEnum):
    """How far a process is on its way into the cluster."""

    REGISTERED = 1
    MET = 2  # it has seen the present registrations of all others
    PREPARED = 3  # its store may belong to the new session


class Registration(msgspec.Struct, frozen=True):
    """What a process tells the others about itself.

    `epoch` is that of its lease: a process that starts again differs from the one before. `plan` is
    what its store can be used for. `session` is the one that it is about to begin.
    """

    generation: int
    epoch: int
    plan: str
    sessions: tuple[str, ...]
    progress: Progress
    step: Step = Step.REGISTERED
    session: str = ""


def session_of(members: Sequence[Registration]) -> str:
    """Return the name of the session that these processes begin: other processes, another name."""
    epochs = " ".join(str(member.epoch) for member in members)
    return hashlib.sha256(epochs.encode()).hexdigest()[:16]


def common_sessions(members: Sequence[Registration]) -> frozenset[str]:
    """Return the sessions that may have written last to the stores of all these processes."""
    return frozenset.intersection(*(frozenset(member.sessions) for member in members))


def fault_of(members: Sequence[Registration]) -> str:
    """Return why the stores of these processes do not belong together; empty if they do."""
    if not common_sessions(members):
        new = [f"dataflow-{i}" for i, member in enumerate(members) if NEW in member.sessions]
        if new:
            return f"the recovery store of {', '.join(new)} was lost"
        return "the recovery stores are from different starts of the cluster"
    progress = [member.progress for member in members]
    if max(store.commit for store in progress) >= max(resume_epoch(progress), 1):
        return "the recovery stores are from different times"
    return ""


def generation_of(fields: Mapping[str, str]) -> int:
    """Return how often the cluster has started anew, counted from 1; 0 if it never started."""
    return int(fields.get(GENERATION, 0))


def registration_of(fields: Mapping[str, str], process: int) -> Registration | None:
    """Return what a process has registered, if it has."""
    value = fields.get(str(process))
    if value is None:
        return None
    try:
        return msgspec.json.decode(value, type=Registration)
    except msgspec.MsgspecError:  # of another version of rushhour
        return Registration(0, 0, "another version", (), Progress())


def beats_field(process: int) -> str:
    """Return the field in which a process tells the number of heartbeats of its store."""
    return f"heartbeats:{process}"


def beats_of(fields: Mapping[str, str], process: int) -> int:
    """Return the number of heartbeats of its store that a process has told in this generation."""
    return int(fields.get(beats_field(process), 0))
