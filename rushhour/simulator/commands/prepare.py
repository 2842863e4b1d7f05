"""`rushhour prepare`: make given servers ready for a run whose parts somebody else starts.

Whoever starts them may start this again at any time, as `docker compose up` does: a run that is
there goes on.
"""

import redis
from rich.console import Console

from rushhour.core.hours import clock_label
from rushhour.core.labels import source_label
from rushhour.core.run import RunInfo
from rushhour.core.settings import Settings
from rushhour.core.topics import TRIPS
from rushhour.runtime.redis_client import connect, redis_failures
from rushhour.simulator.commands.up import locate_or_download
from rushhour.simulator.runs import describe_run
from rushhour.simulator.stack.setup import prepare, resume
from rushhour.simulator.terminal.run_view import RunView
from rushhour.storage.clock import is_finished
from rushhour.storage.runs import load_offsets


def prepare_run(settings: Settings, console: Console, *, restart: bool) -> None:
    """Find or download the trips, and make Kafka and Redis ready, unless the run is there.

    With `anew`, the run starts over in any case.

    Raises
    ------
    RushhourError
        If the servers or the file are not to be had, or another run is live.
    """
    bootstrap, redis_url = settings.servers("run")
    client = connect(redis_url)
    wanted = describe_run(settings, locate_or_download(settings, console))
    with redis_failures(redis_url):
        there = None if restart else resume(client, wanted)
        if there is None:
            prepare(client, bootstrap, settings.partitions, wanted, create=True)
        partitions = len(load_offsets(client, TRIPS))
        for line in _describe(client, there or wanted, partitions):
            console.print(line, soft_wrap=True)
        if partitions != settings.partitions:
            console.print(
                f"note: the topics were there with {partitions} partitions, and keep them",
                style="yellow",
                soft_wrap=True,
            )


def _describe(client: redis.Redis, run: RunInfo, partitions: int) -> list[str]:
    end = clock_label(run.end_ts)
    closed = RunView.read(client).hours_closed
    where = f"goes on: {closed} hours are closed" if closed else "starts"
    if is_finished(client, run):
        where = "is finished already; to start over: rushhour prepare --new"
    return [
        f"replaying  {source_label(run)}",
        f"hours      {run.hours} ({clock_label(run.start_ts)} to {end})",
        f"line       {partitions} partitions, dataflow processes: {run.dataflows}, "
        f"consumers: {run.consumers}",
        f"the run {where}",
    ]
