"""What a run was started with, beside the run itself: its options, and what it runs on."""

import platform

from rushhour.core.settings import Settings

# Settings that say how the clock went. Results do not depend on them.
OPTIONS = ("speed", "start_at", "paused", "ahead_hours", "gate")
PYTHON = "python"
MACHINE = "machine"


def started_with(settings: Settings) -> dict[str, str]:
    """Return the options of a run and what it runs on, as the fields of `sim:manifest`."""
    texts = settings.as_environment()
    options = {name: texts[Settings.env_name(name)] for name in OPTIONS}
    return {**options, **platform_of()}


def platform_of() -> dict[str, str]:
    """Return the version of Python, and the architecture of the processor.

    >>> sorted(platform_of())
    ['machine', 'python']
    """
    return {PYTHON: platform.python_version(), MACHINE: platform.machine()}
