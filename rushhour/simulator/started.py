"""When this command was started: imported before all else."""

import time

_STARTED_S = time.monotonic()


def seconds_since_start() -> float:
    """Return for how many seconds the command has run, without the start of Python itself."""
    return time.monotonic() - _STARTED_S
