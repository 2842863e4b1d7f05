"""Records and commands that no process of the run has written."""

import json
import re
from collections.abc import Callable, Iterator
from typing import Any

import confluent_kafka as ck
import redis

from rushhour.core import keys
from rushhour.core.hours import DAY_MS, to_datetime

Fields = dict[str, Any]

TICK_2099 = 4_085_596_800_000  # 2099-06-20, in epoch ms
HUGE_SEQ = 10**12
_TIMEOUT_S = 5.0
_SAME_AGAIN = 20
_RUN_ID = re.compile(rb'"run_id":"[0-9a-f]+"')
_OTHER_RUN = b'"run_id":"0123456789ab"'
_BAD_COMMANDS: tuple[dict[bytes, bytes], ...] = (
    {b"command": b"\xff\xfe", b"value": b"\x80"},
    {b"\xff": b"pause"},
    {b"command": b"speed", b"value": b"9" * 308 + b"h/s"},
    {b"command": b"speed", b"value": b"1e999"},
    {b"command": b"fly"},
)


def undecodable(bootstrap: str, topic: str) -> None:
    """Put bytes that are no JSON on every partition of a topic."""
    producer = _producer(bootstrap)
    for partition in _ends(bootstrap, topic):
        producer.produce(topic, b"\xff\x00 not an event", partition=partition)
    producer.flush(_TIMEOUT_S)


def altered(bootstrap: str, topic: str, kind: str, change: Callable[[Fields], None]) -> bool:
    """Put a copy of the latest event of a kind on its partition, after a change.

    Returns
    -------
    bool
        Whether there was such an event.
    """
    for message in reversed(list(_records(bootstrap, topic))):
        fields = _decode(message)
        if fields is not None and fields.get("type", kind) == kind:
            change(fields)
            value = json.dumps(fields, separators=(",", ":")).encode()
            _send(bootstrap, [(message, value)])
            return True
    return False


def repeated(bootstrap: str, topic: str, *, foreign: bool) -> None:
    """Put the latest records once more on their partitions, as they are or as of another run."""
    again = []
    for message in list(_records(bootstrap, topic))[-_SAME_AGAIN:]:
        value = message.value() or b""
        again.append((message, _RUN_ID.sub(_OTHER_RUN, value) if foreign else value))
    _send(bootstrap, again)


def with_huge_seq(fields: Fields) -> None:
    """Make a trip one that comes much later."""
    fields["seq"] = HUGE_SEQ


def in_another_zone(fields: Fields) -> None:
    """Make a trip the next one, which it is not."""
    fields["seq"] += 1
    fields["pickup_location_id"] = fields["pickup_location_id"] % 200 + 1


def in_2099(fields: Fields) -> None:
    """Make a tick one of 2099."""
    fields["sim_ts"] = TICK_2099


def for_a_far_hour(fields: Fields) -> None:
    """Make a prediction one for an hour years later."""
    fields["pickup_ts"] += 1000 * DAY_MS
    fields["pickup_hour"] = to_datetime(fields["pickup_ts"]).isoformat().replace("+00:00", "Z")


def bad_commands(client: redis.Redis) -> None:
    """Send commands to the clock that it cannot follow."""
    for fields in _BAD_COMMANDS:
        flat = [item for pair in fields.items() for item in pair]
        client.execute_command("XADD", keys.COMMANDS, "*", *flat)  # type: ignore[no-untyped-call]


def stray_hour(client: redis.Redis) -> None:
    """Close an hour of 2099 for the city."""
    client.xadd(keys.CITY_HOURLY, {"hour": "2099-06-20T00", "rides": "1"}, id=f"{TICK_2099}-0")


def _decode(message: ck.Message) -> Fields | None:
    try:
        fields = json.loads(message.value() or b"")
    except ValueError:
        return None
    return fields if isinstance(fields, dict) else None


def _send(bootstrap: str, records: list[tuple[ck.Message, bytes]]) -> None:
    """Send values with the keys and to the partitions of messages."""
    producer = _producer(bootstrap)
    for message, value in records:
        topic, partition = str(message.topic()), message.partition() or 0
        producer.produce(topic, value, key=message.key(), partition=partition)
    producer.flush(_TIMEOUT_S)


def _records(bootstrap: str, topic: str) -> Iterator[ck.Message]:
    """Yield all records of a topic, partition by partition."""
    consumer = ck.Consumer(
        {
            "bootstrap.servers": bootstrap,
            "group.id": "chaos",
            "log_level": 2,
            "fetch.wait.max.ms": 5,
        }
    )
    try:
        for partition, (begin, end) in _ends(bootstrap, topic).items():
            consumer.assign([ck.TopicPartition(topic, partition, begin)])
            next_offset = begin
            while next_offset < end:
                message = consumer.poll(_TIMEOUT_S)
                if message is None or message.error() is not None:
                    break
                next_offset = (message.offset() or 0) + 1
                yield message
    finally:
        consumer.close()


def _ends(bootstrap: str, topic: str) -> dict[int, tuple[int, int]]:
    """Return the first and the next offset of each partition."""
    consumer = ck.Consumer({"bootstrap.servers": bootstrap, "group.id": "chaos", "log_level": 2})
    try:
        partitions = consumer.list_topics(topic, timeout=_TIMEOUT_S).topics[topic].partitions
        return {
            partition: consumer.get_watermark_offsets(
                ck.TopicPartition(topic, partition), timeout=_TIMEOUT_S
            )
            for partition in sorted(partitions)
        }
    finally:
        consumer.close()


def _producer(bootstrap: str) -> ck.Producer:
    return ck.Producer({"bootstrap.servers": bootstrap, "log_level": 2})
