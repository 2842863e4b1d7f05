"""Entry point of a dataflow process: `python -m dataflows`, configured by `RUSHHOUR_*`."""

import os

# One thread for linear algebra: results must not depend on the number of cores, and 265 rows are
# too few to parallelize. Set before numpy loads.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
os.environ.setdefault("OMP_NUM_THREADS", "1")

import logging
from collections.abc import Callable
from contextlib import ExitStack, closing
from functools import partial
from typing import Any

from bytewax.dataflow import Dataflow
from bytewax.run import cli_main

from dataflows.cluster import Cluster, NotNeededError, check_libraries
from dataflows.events import HourMessages
from dataflows.failure import first_failure
from dataflows.flow import build_flow
from dataflows.forecasting.state.model_file import engine_of, load_model_of
from dataflows.metrics import total
from dataflows.recovery import EPOCH, Store, open_store, plan_of
from dataflows.sink import ZoneEventsPartition, ZoneEventsSink
from dataflows.source import TripsSource
from rushhour.core.errors import RushhourError, StackError, UsageError
from rushhour.core.run import RunInfo
from rushhour.core.settings import Settings
from rushhour.core.topics import ALERTS, DEAD_LETTERS, HOURLY_RIDES, PREDICTIONS, TRIPS, Messages
from rushhour.runtime.dead_letters import DeadLetters
from rushhour.runtime.failpoints import reach
from rushhour.runtime.fence import Fence
from rushhour.runtime.monitor import Health
from rushhour.runtime.process import causes, end_at_once, end_process, run_pipeline_process
from rushhour.runtime.records import RunRecords
from rushhour.runtime.redis_client import connect, redis_failures
from rushhour.storage.clock import is_finished
from rushhour.storage.runs import join_run, load_offsets
from rushhour.storage.skips import load_skips

# What is written to each topic.
_MESSAGES: dict[str, Callable[[HourMessages, Any], Messages]] = {
    HOURLY_RIDES: HourMessages.rides,
    PREDICTIONS: HourMessages.predictions,
    ALERTS: HourMessages.alerts,
}
_NO_PORT = "failed to initialize networking"  # what Bytewax says if an address is taken
_log = logging.getLogger(__name__)


def main(settings: Settings, health: Health, fence: Fence) -> None:
    """Run this process of the dataflow until the final tick."""
    kafka, redis_address = settings.servers("dataflow")
    client = connect(redis_address)
    with redis_failures(redis_address):
        run = join_run(client)
        start = load_offsets(client, TRIPS)
        letters = DeadLetters(
            kafka,
            len(load_offsets(client, DEAD_LETTERS)),
            run.run_id,
            f"dataflow-{settings.process}",
        )
        skipped = [skip for skip in load_skips(client) if skip.topic == TRIPS]
        sizes = {topic: len(load_offsets(client, topic)) for topic in _MESSAGES}
        finished = is_finished(client, run)
        if not finished:
            check_libraries(client, fence)
    client.close()
    if finished or settings.process >= run.dataflows:
        _log.info(
            "nothing to do: run %s %s",
            run.run_id,
            "is finished" if finished else f"has {run.dataflows} dataflow processes",
        )
        return
    _log.info(
        "run %s: process %d (of %d), %d partitions of %s, recovery store: %s",
        run.run_id,
        settings.process,
        run.dataflows,
        len(start),
        TRIPS,
        settings.recovery_dir or "none",
    )
    # Read even if a recovery store goes further: the run may have to start over at any time.
    model = load_model_of(run, settings.warm_start)
    if model is not None:
        _log.info("the models begin with %s", model.origin)
    flow = build_flow(
        TripsSource(
            kafka,
            run,
            start,
            RunRecords(run.run_id, letters, skipped),
            health,
            settings.process,
        ),
        len(start),
        run.start_ts,
        {
            topic: ZoneEventsSink(
                partial(
                    ZoneEventsPartition,
                    kafka,
                    topic,
                    partial(messages, HourMessages(run.run_id, sizes[topic])),
                    health,
                )
            )
            for topic, messages in _MESSAGES.items()
        },
        partial(engine_of, model, run.horizons),
    )
    with ExitStack() as stack:
        stack.callback(letters.close)
        try:
            store = _enter(settings, run, plan_of(run, skipped), fence, health, stack)
        except NotNeededError:
            _log.info("nothing to do: run %s is finished", run.run_id)
            return
        execute(flow, settings, run, store)
    _log.info(
        "finished: %d hours forecast, %d trips counted, %d duplicate trips",
        total("rushhour_forecast_duration_seconds_count"),
        total("rushhour_trips_counted_total"),
        total("rushhour_duplicate_trips_total"),
    )


def _enter(
    settings: Settings, run: RunInfo, plan: str, fence: Fence, health: Health, stack: ExitStack
) -> Store | None:
    """Return the recovery store, if there is one, once the processes of a cluster agree on theirs.

    The process watches the others until `stack` is closed.

    Raises
    ------
    NotNeededError
        If the run was finished meanwhile.
    """
    process, directory = settings.process, settings.recovery_dir
    if run.dataflows == 1:
        if directory is None:
            return None
        return open_store(directory, plan, run, process, generation=0, epoch=fence.epoch)
    _, redis_address = settings.servers("dataflow")
    client = stack.enter_context(closing(connect(redis_address)))

    health.rest()  # while it waits; and a process without a partition of `trips` has no heartbeats
    cluster = Cluster(client, fence, run, process, directory, plan)
    with redis_failures(redis_address):
        membership = cluster.enter(lambda: not is_finished(client, run))
    stack.enter_context(cluster.watch(client, membership, end_process))
    return membership.store


def execute(flow: Dataflow, settings: Settings, run: RunInfo, store: Store | None) -> None:
    """Run the flow as one process, or as one process of a cluster.

    Raises
    ------
    UsageError
        If fewer addresses are set than the cluster has processes.
    StackError
        If another process of the cluster has ended.
    """
    options: dict[str, Any] = {"workers_per_process": settings.workers}
    if run.dataflows > 1:
        options |= {
            "process_id": settings.process,
            "addresses": _addresses(settings, run.dataflows),
        }
        end_at_once()  # Bytewax aborts at an exception while it connects to the others
    if store is not None:
        options |= {"epoch_interval": EPOCH, "recovery_config": store.config}
    reach("dataflow.start")
    try:
        cli_main(flow, **options)  # type: ignore[no-untyped-call]
    except BaseException as error:
        reason = _reason(error, settings, run)
        if reason is None:
            raise
        raise reason from None


def _reason(error: BaseException, settings: Settings, run: RunInfo) -> RushhourError | None:
    """Return what an error of Bytewax means for the user; None if it speaks for itself."""
    failure = first_failure()
    if failure is not None:
        return failure
    if _NO_PORT in str(error):
        address = _addresses(settings, run.dataflows)[settings.process]
        problem = str(error).rpartition(f"{_NO_PORT}: ")[2]
        return StackError(
            f"cannot listen on {address}: {problem}: change {settings.env_name('addresses')}"
        )
    if run.dataflows > 1 and _is_panic(error):
        return StackError("lost the connection to another dataflow process: restart all of them")
    return None


def _is_panic(error: BaseException) -> bool:
    """Return whether Bytewax lost a peer: a panic of Rust, which is not an Exception."""
    return any(type(cause).__name__ == "PanicException" for cause in causes(error)) and not any(
        isinstance(cause, RushhourError) for cause in causes(error)
    )


def _addresses(settings: Settings, processes: int) -> list[str]:
    addresses = [address.strip() for address in settings.addresses.split(",") if address.strip()]
    if len(addresses) < processes:
        raise UsageError(
            f"the run has {processes} dataflow processes, {settings.env_name('addresses')} "
            f"has {len(addresses)} addresses: set one for each process"
        )
    return addresses[:processes]


if __name__ == "__main__":
    run_pipeline_process("dataflow", main)
