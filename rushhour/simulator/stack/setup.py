"""Make Kafka and Redis ready for a run: its data found, old keys gone, start offsets noted."""

import redis

from rushhour.core import keys
from rushhour.core.errors import KafkaFailure
from rushhour.core.run import RunInfo
from rushhour.core.topics import HOURLY_RIDES, PREDICTIONS, TOPICS
from rushhour.runtime.kafka import end_offsets, ensure_topics
from rushhour.runtime.lease import wait_until_alone
from rushhour.runtime.redis_client import write_hash
from rushhour.storage.runs import save_run

_SCAN_COUNT = 1000


def prepare(
    client: redis.Redis, bootstrap: str, partitions: int, run: RunInfo, *, create: bool
) -> None:
    """Clear the keys of an earlier run and write where this one starts.

    With `create`, topics are created if they are missing (the embedded broker has them and
    cannot be asked to). Messages of earlier runs stay on them: the run
    starts behind them.

    Raises
    ------
    KafkaFailure
        If the cluster does not answer or refuses the topics, or has them in another shape.
    StackError
        If a run is live on this Redis.
    """
    wait_until_alone(client)
    if create:
        ensure_topics(bootstrap, partitions)
    offsets = end_offsets(bootstrap, TOPICS)
    rides, predictions = len(offsets[HOURLY_RIDES]), len(offsets[PREDICTIONS])
    if rides != predictions:
        raise KafkaFailure(
            f"Kafka at {bootstrap}: topics '{HOURLY_RIDES}' and '{PREDICTIONS}' have {rides} and "
            f"{predictions} partitions, and must have as many: delete them"
        )
    clear(client)
    write_hash(
        client,
        keys.OFFSETS,
        {
            keys.offset_field(topic, partition): offset
            for topic, by_partition in offsets.items()
            for partition, offset in by_partition.items()
        },
    )
    save_run(client, run)


def clear(client: redis.Redis) -> None:
    """Delete all keys of rushhour, and no others."""
    ours = [key for key in client.scan_iter(count=_SCAN_COUNT) if keys.is_of_a_run(key)]
    for start in range(0, len(ours), _SCAN_COUNT):
        client.unlink(*ours[start : start + _SCAN_COUNT])
