"""Several consumers that share the partitions: of two, the first has 0 and 2, the other 1 and 3."""

import pytest

from consumers.assignment import partitions_of
from consumers.reader import EventsReader
from consumers.resume import resume
from consumers.writer import ZoneWriter
from rushhour.core.bounds import PartitionBounds
from rushhour.runtime.records import RunRecords
from rushhour.storage.runs import load_run, save_run
from tests.fixtures.consumers import (
    HOURS,
    PARTITIONS,
    ConsumerRunner,
    after,
    between,
    run_of,
    until,
)
from tests.fixtures.redis_server import contents, fence_of
from tests.fixtures.rejects import Rejected
from tests.fixtures.waiting import wait_until

pytestmark = pytest.mark.integration


@pytest.mark.parametrize("consumers", [2, 5])
def test_consumers_that_share_the_partitions_leave_the_same_redis(
    consumer: ConsumerRunner, undisturbed_redis: dict[str, object], consumers: int
) -> None:
    consumer.prepare(consumers)
    consumer.publish(until(HOURS))
    consumer.run(consumers)

    assert contents(consumer.client) == undisturbed_redis
    assert consumer.closed() == dict.fromkeys(range(PARTITIONS), HOURS)


def test_a_consumer_without_a_partition_ends(consumer: ConsumerRunner) -> None:
    consumer.prepare(5)
    part = consumer.start(4)
    consumer.end(part)

    assert part.last_message() == "process 4 (of 5) has no partition"


@pytest.mark.also_on_kafka
def test_one_of_two_consumers_is_killed_and_resumes(
    consumer: ConsumerRunner,
    undisturbed_redis: dict[str, object],
) -> None:
    consumer.prepare(2)
    first, second = consumer.start(0), consumer.start(1)
    consumer.publish(until(14))
    wait_until(lambda: consumer.hours_closed() == 14, "14 hours are closed")
    consumer.kill(second)
    consumer.publish(after(14))
    consumer.end(first)
    # Its partitions are done; the city waits for the others.
    assert consumer.closed() == {0: HOURS, 1: 14, 2: HOURS, 3: 14}
    assert consumer.hours_closed() == 14
    consumer.end(consumer.start(1))

    assert contents(consumer.client) == undisturbed_redis


@pytest.mark.parametrize(("before", "afterwards"), [(1, 3), (4, 2)])
def test_the_number_of_consumers_may_change(
    consumer: ConsumerRunner,
    undisturbed_redis: dict[str, object],
    before: int,
    afterwards: int,
) -> None:
    consumer.prepare(before)
    parts = [consumer.start(process) for process in range(before)]
    consumer.publish(until(14))
    wait_until(lambda: consumer.hours_closed() == 14, "14 hours are closed")
    consumer.kill(*parts)
    save_run(consumer.client, run_of(afterwards))
    consumer.publish(after(14))
    consumer.run(afterwards)

    assert contents(consumer.client) == undisturbed_redis


@pytest.mark.parametrize("consumers", [1, 3])
def test_a_consumer_may_resume_partitions_at_different_hours(
    consumer: ConsumerRunner,
    undisturbed_redis: dict[str, object],
    consumers: int,
) -> None:
    consumer.prepare(2)
    first, second = consumer.start(0), consumer.start(1)
    consumer.publish(until(3))
    wait_until(lambda: consumer.hours_closed() == 3, "3 hours are closed")
    consumer.kill(second)
    consumer.publish(between(3, 28))
    wait_until(lambda: consumer.closed() == {0: 28, 1: 3, 2: 28, 3: 3}, "two partitions are ahead")
    consumer.kill(first)
    save_run(consumer.client, run_of(consumers))
    consumer.publish(after(28))
    consumer.run(consumers)

    assert contents(consumer.client) == undisturbed_redis


def write_zones_only(consumer: ConsumerRunner, process: int, consumers: int) -> None:
    """Do all that a consumer does until the moment before it closes the last hour for the city."""
    run = load_run(consumer.client)
    partitions = partitions_of(process, consumers, PARTITIONS)
    state = resume(consumer.client, run, partitions, PARTITIONS)
    fence = fence_of(consumer.client, f"consumer-{process}")
    assigned = state.assigned
    writer = ZoneWriter(consumer.client, fence, state.written, process)
    writer.write_zones()
    records = RunRecords(run.run_id, Rejected())
    bounds = {
        partition: PartitionBounds(run.start_ts, run.end_ts, zones)
        for partition, zones in partitions.items()
    }
    reader = EventsReader(consumer.cluster, records, bounds, state.written.offsets)
    while min(assigned.next_hours().values()) < run.end_ts:
        reader.read_into(assigned)
        if updates := assigned.pop_complete():
            state.scores.update_all(updates)
            writer.write(updates, state.scores, assigned.offsets(), assigned.next_hours())
    reader.close(assigned)


@pytest.mark.parametrize("at", [0, 14])
def test_hours_left_open_for_the_city_are_closed_at_the_next_start(
    consumer: ConsumerRunner,
    undisturbed_redis: dict[str, object],
    at: int,
) -> None:
    consumer.prepare()
    consumer.publish(until(at))
    part = consumer.start()
    wait_until(lambda: consumer.hours_closed() == at, f"{at} hours are closed")
    consumer.kill(part)
    consumer.publish(after(at))
    write_zones_only(consumer, process=0, consumers=1)
    assert consumer.closed() == dict.fromkeys(range(PARTITIONS), HOURS)
    assert consumer.hours_closed() == at
    consumer.run()

    assert contents(consumer.client) == undisturbed_redis


@pytest.mark.parametrize("last", [0, 1])
def test_either_consumer_closes_what_both_left_open_for_the_city(
    consumer: ConsumerRunner, undisturbed_redis: dict[str, object], last: int
) -> None:
    """Both died after their zones' last hour; even the one that was done before can do it."""
    consumer.prepare(2)
    consumer.publish(until(HOURS))
    for process in (0, 1):
        write_zones_only(consumer, process, consumers=2)
    assert consumer.hours_closed() == 0
    consumer.end(consumer.start(last))

    assert contents(consumer.client) == undisturbed_redis
