"""Entry point of a consumer process: `python -m consumers`, set by `RUSHHOUR_*`."""

import logging

import redis
from prometheus_client import REGISTRY

from consumers.assignment import partitions_of
from consumers.city import City
from consumers.metrics import EVENTS_REPEATED, REDIS_WRITE, RunCollector
from consumers.reader import EventsReader
from consumers.resume import restore
from consumers.writer import ZoneWriter, as_closed
from rushhour.core import keys
from rushhour.core.run import RunInfo
from rushhour.core.settings import Settings
from rushhour.core.topics import PREDICTIONS
from rushhour.runtime.monitor import Health
from rushhour.runtime.process import run_pipeline_process
from rushhour.runtime.redis_client import connect, read_hash, redis_failures
from rushhour.storage.runs import load_offsets, load_run

_log = logging.getLogger(__name__)


def main(settings: Settings, health: Health) -> None:
    """Keep Redis until the last hour of this consumer's partitions is written."""
    kafka, redis_url = settings.servers("consumer")
    client = connect(redis_url)
    with redis_failures(redis_url):
        run = load_run(client)
        REGISTRY.register(RunCollector(client, run))
        _consume(kafka, client, run, settings.process, health)


def _consume(
    bootstrap: str, client: redis.Redis, run: RunInfo, process: int, health: Health
) -> None:
    count = len(load_offsets(client, PREDICTIONS))
    mine = partitions_of(process, run.consumers, count)
    if not mine:
        _log.info("there is no partition for consumer %d of %d", process, run.consumers)
        return
    state = restore(client, run, mine)
    writer = ZoneWriter(client, state.rolling, process)
    writer.write_zones()
    city = City.restore(client, run, partitions=len(partitions_of(0, 1, count)))
    # It may have died between its zones' last hour and the city's.
    city.close(as_closed(read_hash(client, keys.CLOSED)))
    reader = EventsReader(bootstrap, state.offsets)
    share = state.share
    repeats = 0
    while min(share.next_hours().values()) < run.end_ts:
        reader.read_into(share)
        EVENTS_REPEATED.inc(share.repeats - repeats)
        repeats = share.repeats
        units = share.take()
        if units:
            with REDIS_WRITE.time():
                closed = writer.write(units, share.offsets(), share.next_hours(), repeats)
            city.note(units)
            city.close(closed)
        health.beat()
    reader.close(share)


if __name__ == "__main__":
    run_pipeline_process("consumer", main)
