"""The log of a consumer, and the faults that end it."""

import re

import pytest

from rushhour.core import keys
from rushhour.core.topics import ALERTS, DEAD_LETTERS, HOURLY_RIDES, PREDICTIONS
from rushhour.runtime.kafka_topics import end_offsets
from tests.fixtures.consumers import HOURS, ConsumerRunner, after, until
from tests.fixtures.redis_server import contents

pytestmark = pytest.mark.integration


def test_start_days_and_end_are_logged(consumer: ConsumerRunner) -> None:
    consumer.prepare()
    consumer.publish(until(HOURS))
    part = consumer.start()
    consumer.end(part)

    start, *days, end = part.log.read_text().splitlines()
    assert start == (
        "consumer: start: green 2024-10, a.parquet; run id, process 0 (of 1), "
        "partitions 0, 1, 2, 3, from 2024-10-02 23:00"
    )
    assert re.fullmatch(
        r"consumer: \d+ of 30 hours closed, up to 2024-10-0\d \d\d:00, 0 duplicate events dropped",
        days[0],
    )
    assert end == "consumer: end: 30 hours closed, 0 duplicate events dropped"


@pytest.mark.parametrize("topic", [HOURLY_RIDES, PREDICTIONS, ALERTS])
def test_an_invalid_record_is_copied_to_the_dead_letters_and_passed_over(
    consumer: ConsumerRunner, topic: str, undisturbed_redis: dict[str, object]
) -> None:
    consumer.prepare()
    consumer.publish(until(1))
    offset = end_offsets(consumer.cluster, [topic])[topic][2]
    before = end_offsets(consumer.cluster, [DEAD_LETTERS])[DEAD_LETTERS][2]
    consumer.producer.send(topic, 2, [(None, b'{"pickup_location_id":132}')])
    consumer.publish(after(1))
    part = consumer.start()
    consumer.end(part)

    assert contents(consumer.client) == undisturbed_redis
    log = part.log.read_text()
    assert f"topic '{topic}' partition 2 offset {offset}: undecodable" in log
    assert end_offsets(consumer.cluster, [DEAD_LETTERS])[DEAD_LETTERS][2] == before + 1


@pytest.mark.also_on_kafka
def test_a_gap_in_the_events_stops_the_consumer(consumer: ConsumerRunner) -> None:
    consumer.prepare()
    consumer.client.hset(keys.OFFSETS, keys.offset_field(HOURLY_RIDES, 1), 10**6)
    part = consumer.start()

    assert part.wait(30.0)
    assert part.exit_code == 4
    assert f"topic '{HOURLY_RIDES}' partition 1" in part.last_message()


def test_a_redis_without_a_run_stops_the_consumer(consumer: ConsumerRunner) -> None:
    part = consumer.start()

    assert part.wait(30.0)
    assert part.exit_code == 5
    assert part.last_message().startswith("this Redis holds no run")
