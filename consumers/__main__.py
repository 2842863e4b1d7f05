"""Entry point of a consumer process: `python -m consumers`, configured by `RUSHHOUR_*`."""

import logging
from contextlib import ExitStack

from consumers.consumer import Consumer
from consumers.metrics import export_run
from consumers.reader import EventsReader
from consumers.submissions.submissions import READER, Submissions
from rushhour.core.bounds import PartitionBounds
from rushhour.core.settings import Settings
from rushhour.core.topics import DEAD_LETTERS, SUBMISSIONS
from rushhour.runtime.dead_letters import DeadLetters
from rushhour.runtime.fence import Fence
from rushhour.runtime.kafka_topics import end_offsets
from rushhour.runtime.monitor import Health
from rushhour.runtime.process import run_pipeline_process
from rushhour.runtime.records import RunRecords
from rushhour.runtime.redis_client import connect, redis_failures
from rushhour.storage.runs import join_run, load_offsets
from rushhour.storage.skips import load_skips

_log = logging.getLogger(__name__)


def main(settings: Settings, health: Health, fence: Fence) -> None:
    """Write Redis until the last hour of this consumer's partitions is written."""
    kafka, redis_address = settings.servers("consumer")
    client = connect(redis_address, once=True)
    with redis_failures(redis_address), ExitStack() as at_end:
        run = join_run(client)
        export_run(client, run)
        consumer = Consumer(client, fence, run, settings.process)
        if not consumer.partitions:
            _log.info("process %d (of %d) has no partition", settings.process, run.consumers)
            return
        consumer.start()
        letters = DeadLetters(
            kafka,
            len(load_offsets(client, DEAD_LETTERS)),
            run.run_id,
            f"consumer-{settings.process}",
        )
        at_end.callback(letters.close)
        bounds = {
            partition: PartitionBounds(run.start_ts, run.end_ts, zones)
            for partition, zones in consumer.partitions.items()
        }
        submissions = None
        if settings.process == READER:
            submissions = Submissions(
                client, fence, run, letters, lambda: end_offsets(kafka, [SUBMISSIONS])[SUBMISSIONS]
            )
        records = RunRecords(run.run_id, letters, load_skips(client))
        reader = EventsReader(kafka, records, bounds, consumer.offsets, health, submissions)
        at_end.callback(reader.close, consumer.assigned)
        while not (consumer.is_done() and (submissions is None or submissions.is_done())):
            reader.read_into(consumer.assigned)
            consumer.step()
            if submissions is not None:
                submissions.step()
            health.beat()
        consumer.end()


if __name__ == "__main__":
    run_pipeline_process("consumer", main)
