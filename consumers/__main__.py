"""Entry point of the consumer process: `python -m consumers`, set by `RUSHHOUR_*`."""

import redis

from consumers.reader import EventsReader
from consumers.restore import restore
from consumers.writer import RedisWriter
from core.process import run_process
from core.redis_client import connect, redis_errors
from core.run import RunInfo
from core.settings import Settings


def main(settings: Settings) -> None:
    """Keep Redis until the last hour of the run is written."""
    kafka, redis_url = settings.servers("consumer")
    client = connect(redis_url)
    with redis_errors(redis_url):
        _consume(kafka, client)


def _consume(bootstrap: str, client: redis.Redis) -> None:
    run = RunInfo.load(client)
    state = restore(client, run)
    writer = RedisWriter(client, run.start_ts, state.errors, state.pairs, state.rides)
    writer.write_zones()
    reader = EventsReader(bootstrap, state.offsets)
    pending = state.pending
    while pending.next_hour < run.end_ts:
        reader.read_into(pending)
        units = pending.take()
        if units:
            writer.write(units, pending.offsets(), pending.repeats)
    reader.close()


if __name__ == "__main__":
    run_process("consumer", lambda: main(Settings.load()))
