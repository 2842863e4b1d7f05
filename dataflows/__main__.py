"""Entry point of a dataflow process: `python -m dataflows`, set by `RUSHHOUR_*`."""

import os

# One thread for linear algebra: results must not depend on the number of cores, and 265
# rows are too few to share out. Set before numpy loads.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
os.environ.setdefault("OMP_NUM_THREADS", "1")

import logging
from collections.abc import Callable
from typing import Any

from bytewax.dataflow import Dataflow
from bytewax.run import cli_main

from dataflows.flow import build_flow
from dataflows.recovery import EPOCH, recovery_config
from dataflows.sink import ZoneEventsSink
from dataflows.source import TripsSource
from rushhour.core.errors import RushhourError, StackError, UsageError
from rushhour.core.events import Codec, alert_codec, prediction_codec, rides_codec
from rushhour.core.run import RunInfo
from rushhour.core.settings import Settings
from rushhour.core.topics import ALERTS, HOURLY_RIDES, PREDICTIONS, TRIPS
from rushhour.runtime.monitor import Health
from rushhour.runtime.process import causes, run_pipeline_process
from rushhour.runtime.redis_client import connect, redis_failures
from rushhour.storage.clock import is_finished
from rushhour.storage.runs import load_offsets, load_run

# What is written to each topic.
_CODECS: dict[str, Callable[[], Codec[Any]]] = {
    HOURLY_RIDES: rides_codec,
    PREDICTIONS: prediction_codec,
    ALERTS: alert_codec,
}
_log = logging.getLogger(__name__)


def main(settings: Settings, health: Health) -> None:
    """Run this process of the dataflow until the final tick."""
    kafka, redis_url = settings.servers("dataflow")
    client = connect(redis_url)
    with redis_failures(redis_url):
        run = load_run(client)
        start = load_offsets(client, TRIPS)
        sizes = {topic: len(load_offsets(client, topic)) for topic in _CODECS}
        over = is_finished(client, run)
    client.close()
    if over or settings.process >= run.dataflows:
        _log.info(
            "nothing to do: the run %s",
            "is finished" if over else f"has {run.dataflows} dataflow processes",
        )
        return
    flow = build_flow(
        TripsSource(kafka, start, health),
        len(start),
        {
            topic: ZoneEventsSink(kafka, topic, sizes[topic], codec())
            for topic, codec in _CODECS.items()
        },
    )
    execute(flow, settings, run)


def execute(flow: Dataflow, settings: Settings, run: RunInfo) -> None:
    """Run the flow as one process, or as one process of a cluster.

    Raises
    ------
    UsageError
        If the cluster's addresses are not given.
    StackError
        If another process of the cluster is gone.
    """
    how: dict[str, Any] = {"workers_per_process": settings.workers}
    if run.dataflows > 1:
        how |= {"process_id": settings.process, "addresses": _addresses(settings, run.dataflows)}
    if settings.recovery_dir is not None:
        how |= {
            "epoch_interval": EPOCH,
            "recovery_config": recovery_config(settings.recovery_dir, run, settings.process),
        }
    try:
        cli_main(flow, **how)  # type: ignore[no-untyped-call]
    except BaseException as error:
        if run.dataflows > 1 and _is_panic(error):
            raise StackError(
                "the connection to another process of the dataflow's cluster broke: all of them "
                "have to start again, each with its own recovery directory"
            ) from None
        raise


def _is_panic(error: BaseException) -> bool:
    """Whether Bytewax found that a peer had hung up: a panic of Rust, which is no Exception."""
    return any(type(cause).__name__ == "PanicException" for cause in causes(error)) and not any(
        isinstance(cause, RushhourError) for cause in causes(error)
    )


def _addresses(settings: Settings, processes: int) -> list[str]:
    given = [address.strip() for address in settings.addresses.split(",") if address.strip()]
    if len(given) < processes:
        raise UsageError(
            f"the run has {processes} dataflow processes, {settings.env_name('addresses')} "
            f"names {len(given)}"
        )
    return given[:processes]


if __name__ == "__main__":
    run_pipeline_process("dataflow", main)
