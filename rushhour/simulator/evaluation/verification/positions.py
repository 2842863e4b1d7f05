"""How far each process is: closed hours, offsets, the clock, and records that were passed over."""

from collections.abc import Iterator, Mapping
from typing import get_args

import redis

from rushhour.core import keys
from rushhour.core.clock import State
from rushhour.core.errors import KafkaFailure
from rushhour.core.hours import HOUR_MS
from rushhour.core.kafka_cluster import KafkaCluster
from rushhour.core.topics import (
    ALERTS,
    DEAD_LETTERS,
    HOURLY_RIDES,
    PREDICTIONS,
    TOPICS,
    ZONE_TOPICS,
)
from rushhour.runtime.kafka_topics import Offsets, end_offsets
from rushhour.simulator.evaluation.verification.check import Check, Differences, whole_number
from rushhour.simulator.evaluation.verification.snapshot import Snapshot
from rushhour.storage.skips import load_skips


def check_positions(
    client: redis.Redis, snapshot: Snapshot, trips: int, cluster: KafkaCluster | None
) -> Iterator[Check]:
    """Yield the checks of `sim:closed`, `sim:offsets`, `sim:clock` and `sim:skipped`.

    Parameters
    ----------
    trips
        The trips of the run.
    cluster
        The Kafka of the run, if it is known: offsets are then compared with its ends.
    """
    yield _check_closed(snapshot)
    ends = None
    try:
        ends = end_offsets(cluster, TOPICS) if cluster is not None else None
    except KafkaFailure as error:
        yield Check("offsets are not compared with Kafka", "note", str(error))
    yield _check_offsets(snapshot, ends)
    yield _check_clock(snapshot, trips)
    skips = load_skips(client)
    if skips:
        named = ", ".join(f"{position} ({since})" for position, since in sorted(skips.items()))
        yield Check("records were passed over by `rushhour skip`", "note", named)
    rejected = _count_dead_letters(snapshot, ends)
    if rejected:
        yield Check(
            "records were rejected", "note", f"{rejected:,}: see them with `rushhour dead-letters`"
        )


def _check_closed(snapshot: Snapshot) -> Check:
    start = snapshot.run.start_ts
    expected = {
        str(partition): str(start + (hours - 1) * HOUR_MS)
        for partition, hours in snapshot.closed_by_partition().items()
    }
    closed = Differences()
    closed.compare(keys.CLOSED, expected, snapshot.hashes[keys.CLOSED])
    return closed.check("each partition has closed the hours that its zones show", "partitions")


def _check_offsets(snapshot: Snapshot, ends: Offsets | None) -> Check:
    """Check that each partition has a possible offset.

    At least: what the events of the closed hours take, wherever the run started. At most: the end
    of the partition on Kafka.
    """
    offsets = Differences()
    found = _offsets(snapshot.hashes[keys.OFFSETS], offsets)
    least = _least(snapshot)
    for topic in TOPICS:
        known = found.get(topic, {})
        due = set(range(len(known)) if ends is None else ends[topic])
        if known.keys() != due or not known:
            offsets.add(f"{keys.OFFSETS} has partitions {sorted(known)} of {topic}")
        for partition, offset in known.items():
            offsets.compared += 1
            field, events = keys.offset_field(topic, partition), least.get((topic, partition), 0)
            if offset < events:
                offsets.add(f"{field} is {offset}, less than the {events} events of closed hours")
            elif ends is not None and offset > ends[topic].get(partition, offset):
                offsets.add(f"{field} is {offset}, and Kafka ends at {ends[topic][partition]}")
    counts = {len(found.get(topic, {})) for topic in ZONE_TOPICS}
    if len(counts) > 1:
        offsets.add(f"topics that are joined have different numbers of partitions: {counts}")
    compared = "with the closed hours" + (" and with Kafka" if ends is not None else "")
    return offsets.check("offsets agree " + compared, "partitions")


def _offsets(fields: Mapping[str, str], differences: Differences) -> Offsets:
    found: Offsets = {}
    for field, text in fields.items():
        topic, _, number = field.rpartition(":")
        partition, offset = whole_number(number), whole_number(text)
        if topic not in TOPICS or partition is None or partition < 0:
            differences.add(f"{keys.OFFSETS} has an unknown field {field}")
        elif offset is None or offset < 0:
            differences.add(f"{field} is {text}, which is no offset")
        else:
            found.setdefault(topic, {})[partition] = offset
    return found


def _least(snapshot: Snapshot) -> dict[tuple[str, int], int]:
    """Return how many events of each partition the closed hours take at least."""
    least = {}
    closed = snapshot.closed_by_partition()
    for partition, zones in snapshot.partitions.items():
        hours = closed[partition]
        least[HOURLY_RIDES, partition] = hours * len(zones)
        least[PREDICTIONS, partition] = hours * len(zones)
        least[ALERTS, partition] = hours
    return least


def _check_clock(snapshot: Snapshot, total: int) -> Check:
    """Check that the clock is where the closed hours say; the producer may not have said so yet."""
    run, clock = snapshot.run, snapshot.hashes[keys.CLOCK]
    name = "the clock agrees with the closed hours"
    now, sent = whole_number(clock.get("now_ts")), whole_number(clock.get("trips"))
    state = clock.get("state", "missing")
    if now is None or sent is None or state not in get_args(State):
        return Check.of(name, False, f"{keys.CLOCK} holds no clock: {dict(clock)}")
    detail = f"{state} at {clock.get('now', '-')}, {sent:,} trips sent"
    if not run.start_ts <= now <= run.end_ts:
        return Check.of(name, False, f"{detail}: not in the hours of the run")
    if state == "finished":
        passed = now == run.end_ts and sent == total
        return Check.of(name, passed, f"{detail}, of {total:,} in the file")
    if snapshot.hours == run.hours:
        return Check(name, "note", f"{detail}: the producer ended before it wrote its end")
    return Check.of(name, passed=True, detail=detail)


def _count_dead_letters(snapshot: Snapshot, ends: Offsets | None) -> int:
    if ends is None:
        return 0
    start = _offsets(snapshot.hashes[keys.OFFSETS], Differences()).get(DEAD_LETTERS, {})
    return sum(end - start.get(partition, end) for partition, end in ends[DEAD_LETTERS].items())
