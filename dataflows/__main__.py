"""Entry point of the dataflow process: `python -m dataflows`, set by `RUSHHOUR_*`."""

import os

# One thread for linear algebra: results must not depend on the number of cores, and 265
# rows are too few to share out. Set before numpy loads.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
os.environ.setdefault("OMP_NUM_THREADS", "1")

from bytewax.run import cli_main

from core.events import prediction_codec, rides_codec
from core.process import run_process
from core.redis_client import connect
from core.run import load_offsets
from core.settings import Settings
from core.topics import HOURLY_RIDES, PREDICTIONS, TRIPS
from dataflows.flow import build_flow
from dataflows.sink import ZoneEventsSink
from dataflows.source import TripsSource


def main(settings: Settings) -> None:
    """Run the dataflow until the final tick."""
    kafka, redis_url = settings.servers("dataflow")
    client = connect(redis_url)
    start = load_offsets(client, TRIPS)
    sizes = {topic: len(load_offsets(client, topic)) for topic in (HOURLY_RIDES, PREDICTIONS)}
    client.close()
    flow = build_flow(
        TripsSource(kafka, start),
        len(start),
        ZoneEventsSink(kafka, HOURLY_RIDES, sizes[HOURLY_RIDES], rides_codec()),
        ZoneEventsSink(kafka, PREDICTIONS, sizes[PREDICTIONS], prediction_codec()),
    )
    cli_main(flow, workers_per_process=settings.workers)  # type: ignore[no-untyped-call]


if __name__ == "__main__":
    run_process("dataflow", lambda: main(Settings.load()))
