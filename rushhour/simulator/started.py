"""When this command was started: imported before all else."""

import time
from dataclasses import dataclass

_STARTED_S = time.monotonic()


def seconds_since_start() -> float:
    """Return for how many seconds the command has run, without the start of Python itself."""
    return time.monotonic() - _STARTED_S


@dataclass(frozen=True, slots=True)
class Times:
    """Times of a run, in seconds from the start of the command.

    `wall_s` is when every process of the pipeline had ended, `first_hour_s` when the first hour was
    closed; None if that was not seen.
    """

    wall_s: float
    first_hour_s: float | None = None
