"""Entry point of the `rushhour` command: here so that even its imports can be interrupted."""

import sys

import rushhour.simulator.started  # noqa: F401 - the time of the command begins here
from rushhour.core.errors import INTERRUPTED


def run() -> None:
    """Run the command line; Ctrl-C ends it quietly, from the first moment on."""
    try:
        from rushhour.simulator.commands.cli import run as run_cli  # noqa: PLC0415

        run_cli()
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)


if __name__ == "__main__":
    run()
