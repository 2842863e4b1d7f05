"""A forged record stops the dataflow, is passed over on demand, and changes nothing."""

import json
import re
from pathlib import Path

import pytest
import redis

from rushhour.core.topics import DEAD_LETTERS, TRIPS
from rushhour.runtime.batch_producer import BatchProducer
from rushhour.runtime.dead_letters import RejectedRecord, read_dead_letters
from rushhour.simulator.evaluation.verify import verify
from rushhour.simulator.stack.process_specs import process_specs, start_process
from rushhour.simulator.stack.stack import Stack
from rushhour.storage.runs import load_offsets, load_run
from rushhour.storage.skips import RecordPosition, add_skip, load_skips
from tests.fixtures.kafka_messages import read_messages
from tests.fixtures.pipeline import TWO_DAYS, PipelineRunner, hours_closed
from tests.fixtures.waiting import wait_until

PARTITION = 1
LONG_S = 120.0
KAFKA_FAILURE = 4


def forge_a_trip(stack: Stack) -> None:
    """Send a copy of a trip of the run whose number leaves a gap."""
    start = load_offsets(stack.client, TRIPS)[PARTITION]
    first = read_messages(stack.kafka, {TRIPS: {PARTITION: start}}, 20)
    events = [json.loads(message.value() or b"") for message in first]
    trip = next(event for event in events if event["type"] == "trip") | {"seq": 10**12}
    producer = BatchProducer(stack.kafka)
    producer.send(TRIPS, PARTITION, [(None, json.dumps(trip).encode())])
    producer.flush()


@pytest.mark.also_on_kafka
def test_a_run_goes_on_once_a_forged_record_is_skipped(
    pipeline: PipelineRunner, client: redis.Redis, trip_file: Path
) -> None:
    rejected: list[RejectedRecord] = []

    def disturb(stack: Stack) -> None:
        wait_until(lambda: hours_closed(stack) >= 2, "two hours are closed", LONG_S)
        forge_a_trip(stack)
        dataflow = stack.processes["dataflow"]
        wait_until(lambda: dataflow.poll() == KAFKA_FAILURE, "the dataflow stops", LONG_S)
        found = re.search(
            r"partition (\d+) offset (\d+): trip 1000000000000", dataflow.last_message()
        )
        assert found is not None, dataflow.last_message()
        position = RecordPosition(TRIPS, int(found[1]), int(found[2]))
        add_skip(stack.client, position)
        run = load_run(stack.client)
        servers = {"kafka": stack.kafka.bootstrap, "redis": stack.redis_address.url}
        settings = stack.settings.model_copy(update=servers)
        (spec,) = [each for each in process_specs(settings, run) if each.name == "dataflow"]
        stack.processes["dataflow"] = start_process(spec, stack.directory)
        start = load_offsets(stack.client, DEAD_LETTERS)
        rejected.extend(
            wait_until(
                lambda: read_dead_letters(stack.kafka, start, run.run_id),
                "the record is copied",
                LONG_S,
            )
        )

    pipeline(trip_file, TWO_DAYS, disturb, speed="12h/s")

    ((position, _),) = load_skips(client).items()
    (record,) = rejected
    letter = record.letter
    assert (letter.topic, letter.partition, letter.offset) == position
    assert letter.reason == "skipped"
    assert b"1000000000000" in (record.value or b"")
    checks = list(verify(client, load_run(client), [trip_file]))
    assert [check for check in checks if not check.passed] == []
    (note,) = [check for check in checks if check.status == "note"]
    assert str(position) in note.detail
