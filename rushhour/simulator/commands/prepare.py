"""`rushhour prepare`: prepare given servers for a run whose processes are started separately.

Idempotent, for `docker compose up` runs it at each start: an existing run of the same trips is
resumed. Another run is deleted only on demand.
"""

from typing import Literal

import redis

from rushhour.core.labels import hours_label, keep_lines, source_label, warm_lines
from rushhour.core.run import RunInfo
from rushhour.core.settings import Settings
from rushhour.core.topics import TRIPS
from rushhour.runtime.redis_client import connect, redis_failures
from rushhour.simulator.commands.output import Output
from rushhour.simulator.commands.trip_file import wanted_run
from rushhour.simulator.documents import schema
from rushhour.simulator.documents.run import run_document
from rushhour.simulator.run_view import RunView
from rushhour.simulator.stack.resume import check_same, resume
from rushhour.simulator.stack.setup import prepare
from rushhour.storage.clock import is_finished
from rushhour.storage.runs import find_run, load_offsets

State = Literal["new", "resumed", "finished"]


def prepare_run(settings: Settings, output: Output, *, restart: bool) -> None:
    """Find or download the trips, and prepare Kafka and Redis unless they hold this run.

    With `restart`, the run starts over in any case, and another one is deleted.

    Raises
    ------
    RushhourError
        If a server or the trip file is unavailable, a run is live, or Redis holds another run.
    """
    cluster, redis_address = settings.servers("run")
    client = connect(redis_address)
    with redis_failures(redis_address):
        existing = None if restart else find_run(client)
        wanted = wanted_run(settings, output, existing)
        settings.check_start(*wanted.original_span)  # the producer would stop for it
        if existing is None:
            run = wanted
            prepare(client, cluster, settings.partitions, run, create=True, over=restart)
        else:
            check_same(existing, wanted, "rushhour prepare")
            run = resume(client, cluster, existing, wanted)
        partitions = len(load_offsets(client, TRIPS))
        hours_closed = RunView.read(client).hours_closed
        prepared = schema.Prepared(
            run=run_document(run),
            state=_state(client, run, hours_closed),
            hours_closed=hours_closed,
            partitions=partitions,
        )
    if output.as_json:
        output.document(prepared)
    else:
        output.show("\n".join(_lines(run, prepared)))
    if partitions != settings.partitions:
        output.warn(f"the topics exist with {partitions} partitions, and keep them")


def _state(client: redis.Redis, run: RunInfo, hours_closed: int) -> State:
    if is_finished(client, run):
        return "finished"
    return "resumed" if hours_closed else "new"


def _lines(run: RunInfo, prepared: schema.Prepared) -> list[str]:
    state = {
        "new": "starts",
        "resumed": f"resumes: {prepared.hours_closed} hours are closed",
        "finished": "is finished; to start over: rushhour prepare --new",
    }[prepared.state]
    return [
        f"replaying  {source_label(run)}",
        f"hours      {hours_label(run)}",
        *warm_lines(run),
        *keep_lines(run),
        f"pipeline   {prepared.partitions} partitions, dataflow processes: {run.dataflows}, "
        f"consumers: {run.consumers}",
        f"the run {state}",
    ]
