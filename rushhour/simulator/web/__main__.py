"""The pages of a run as a process of `rushhour up`: `python -m rushhour.simulator.web FD`.

Serves on the listening socket with that file descriptor, and yields to the processes of the run.
"""

import os
import socket
import sys

from rushhour.core.settings import Settings
from rushhour.runtime.process import run_process
from rushhour.simulator.web.guard import Guard
from rushhour.simulator.web.server import PageServer
from rushhour.simulator.web.source import Place

_NICENESS = 10  # the run comes first


def main() -> None:
    """Serve the run whose Redis is in the settings."""
    os.nice(_NICENESS)
    settings = Settings.load()
    kafka, redis_address = settings.servers("web")
    place = Place(redis_address, kafka)
    guard = Guard(settings.web_host, settings.web_host_names, settings.web_token)
    PageServer(lambda: place, guard).run(socket.socket(fileno=int(sys.argv[1])))


if __name__ == "__main__":
    run_process("web", main)
