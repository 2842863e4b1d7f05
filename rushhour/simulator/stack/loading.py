"""A process of a pipeline that loads its libraries before its settings are known.

    python -m rushhour.simulator.stack.loading NAME MODULE

Loading takes longer than the start of the servers, so both go on at the same time. The process then
does what `python -m MODULE` does, with the variables that it gets on stdin: one JSON object.
"""

import json
import os
import sys
from importlib import import_module


def load(name: str, module: str) -> None:
    """Load the module, wait for its settings, and run it; end if there come none."""
    from rushhour.runtime.process import run_pipeline_process  # noqa: PLC0415 - not before a fork

    main_of_module = import_module(f"{module}.__main__").main
    settings = sys.stdin.read()
    if settings:
        os.environ.update(json.loads(settings))
        run_pipeline_process(name, main_of_module)


if __name__ == "__main__":
    load(*sys.argv[1:])
