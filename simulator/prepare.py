"""Make Kafka and Redis ready for a run: its data found, old keys gone, start offsets noted."""

import uuid
from collections.abc import Callable
from pathlib import Path

import redis

from core import keys
from core.errors import KafkaError
from core.kafka import end_offsets, ensure_topics
from core.presence import wait_until_alone
from core.redis_client import write_hash
from core.run import SYNTHETIC, RunInfo
from core.settings import Settings
from core.topics import HOURLY_RIDES, PREDICTIONS, TOPICS
from producers.datasets import locate, official_file
from producers.download import download
from producers.trips import check_file

_SCAN_COUNT = 1000


def find_data(settings: Settings, progress: Callable[[int, int | None], None]) -> Path:
    """Return the trip file: from `--data`, the data directory or the cache, else downloaded.

    Raises
    ------
    UnreachableError
        If it has to be downloaded and the network does not let us.
    DataError
        If a file that the user named is not there or not of the dataset, or the download fails
        in another way.
    """
    file = locate(settings) or download(
        official_file(settings.dataset, settings.month), settings.cache_dir, progress
    )
    check_file(file, settings.dataset)
    return file


def describe_run(settings: Settings, file: Path | None) -> RunInfo:
    """Return what is about to be replayed, and by which models it is forecast."""
    from dataflows.forecasters import model_names  # noqa: PLC0415 - imports River, which takes long

    start_ts, end_ts = settings.window
    return RunInfo(
        run_id=uuid.uuid4().hex,
        dataset=settings.dataset,
        month=settings.month,
        source=SYNTHETIC if file is None else file.name,
        file="" if file is None else str(file.resolve()),
        start_ts=start_ts,
        end_ts=end_ts,
        dataflows=settings.dataflows,
        consumers=settings.consumers,
        surge=settings.surge,
        models=model_names(),
    )


def prepare(
    client: redis.Redis, bootstrap: str, partitions: int, run: RunInfo, *, create: bool
) -> None:
    """Clear the keys of an earlier run and write where this one starts.

    With `create`, topics are created if they are missing (the embedded broker has them and
    cannot be asked to). Messages of earlier runs stay on them: the run
    starts behind them.

    Raises
    ------
    KafkaError
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
        raise KafkaError(
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
    run.save(client)


def clear(client: redis.Redis) -> None:
    """Delete all keys of rushhour, and no others."""
    ours = [key for key in client.scan_iter(count=_SCAN_COUNT) if keys.is_of_a_run(key)]
    for start in range(0, len(ours), _SCAN_COUNT):
        client.unlink(*ours[start : start + _SCAN_COUNT])
