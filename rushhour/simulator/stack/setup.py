"""Set up Kafka and Redis for a run: topics, start offsets, and what is replayed."""

import secrets
from collections.abc import Callable, Collection

import redis
from redis.client import Pipeline

from rushhour.core import keys
from rushhour.core.errors import KafkaFailure, StackError
from rushhour.core.kafka_cluster import KafkaCluster
from rushhour.core.run import RunInfo
from rushhour.core.topics import TOPICS, ZONE_TOPICS
from rushhour.runtime.failpoints import reach
from rushhour.runtime.kafka_topics import Offsets, end_offsets, ensure_topics
from rushhour.runtime.lease import wait_until_alone
from rushhour.runtime.redis_client import write_hash
from rushhour.storage.runs import save_run

_TAKEN_OVER = (
    "another `rushhour prepare` or `rushhour up` prepares a run on this Redis: this one has stopped"
)
_SCAN_COUNT = 1000


def prepare(
    client: redis.Redis,
    cluster: KafkaCluster,
    partitions: int,
    run: RunInfo,
    *,
    create: bool,
    over: bool = True,
) -> None:
    """Start a new run: delete the keys of an earlier one and write where this one starts.

    Messages of earlier runs stay on the topics; the run starts after them.

    The description of the earlier run is deleted first and that of the new one is written last,
    together with its offsets. So Redis holds a whole run or none, whenever this is killed.

    Parameters
    ----------
    client
        Client of Redis.
    cluster
        The Kafka cluster.
    partitions
        Partitions of each topic that is created.
    run
        What is replayed.
    create
        Create missing topics. The embedded broker has them, and does not support it.
    over
        Delete the run that Redis holds.

    Raises
    ------
    KafkaFailure
        If Kafka does not answer, refuses the topics, or has joined topics with different numbers
        of partitions.
    StackError
        If a run is live on this Redis, another one is being prepared, or there is one that is not
        to be deleted.
    """
    wait_until_alone(client)
    if create:
        ensure_topics(cluster, partitions)
    _change_run(client, cluster, run, over=over)


def prepare_again(client: redis.Redis, cluster: KafkaCluster, run: RunInfo) -> None:
    """Start a run over, behind its messages, as `prepare` does; what is told of it stays.

    Raises
    ------
    KafkaFailure, StackError
        As `prepare` does.
    """
    wait_until_alone(client)
    _change_run(client, cluster, run, keep=keys.TOLD)


def _change_run(
    client: redis.Redis,
    cluster: KafkaCluster,
    run: RunInfo,
    *,
    over: bool = True,
    keep: Collection[str] = (),
) -> None:
    offsets = _start_offsets(cluster)
    preparation = _Preparation(client)
    preparation.begin(over=over)
    reach("prepare.clear")
    preparation.clear(keep)
    reach("prepare.write")
    preparation.end(run, offsets)
    reach("prepare.done")


def _start_offsets(cluster: KafkaCluster) -> Offsets:
    offsets = end_offsets(cluster, TOPICS)
    counts = {topic: len(offsets[topic]) for topic in ZONE_TOPICS}
    if len(set(counts.values())) > 1:
        found = ", ".join(f"'{topic}' {count}" for topic, count in counts.items())
        raise KafkaFailure(
            f"Kafka at {cluster}: topics that are joined need the same number of partitions "
            f"({found}): delete them, and they are created again"
        )
    return offsets


class _Preparation:
    """The change from one run to another in Redis.

    Its token is in Redis from `begin` to `end`. Each transaction checks it, so that of two
    preparations the one that began last goes on and the other stops, even if it was frozen.
    """

    def __init__(self, client: redis.Redis) -> None:
        self._client = client
        self._token = secrets.token_hex(8)

    def begin(self, *, over: bool) -> None:
        """Delete the description of the earlier run: from here on there is no run."""

        def write(pipe: Pipeline) -> None:
            pipe.set(keys.PREPARING, self._token)
            pipe.delete(keys.RUN)

        change(self._client, keys.RUN, lambda pipe: over or not pipe.exists(keys.RUN), write)

    def clear(self, keep: Collection[str]) -> None:
        """Delete all other keys of rushhour but those to keep, and no others."""
        scan = self._client.scan_iter(count=_SCAN_COUNT)
        found = [key for key in scan if keys.is_of_a_run(key) and key not in keep]
        for start in range(0, len(found), _SCAN_COUNT):
            self._delete(found[start : start + _SCAN_COUNT])

    def end(self, run: RunInfo, offsets: Offsets) -> None:
        """Write the new run and its offsets, in one transaction."""
        fields = {
            keys.offset_field(topic, partition): offset
            for topic, by_partition in offsets.items()
            for partition, offset in by_partition.items()
        }

        def write(pipe: Pipeline) -> None:
            pipe.delete(keys.OFFSETS)
            write_hash(pipe, keys.OFFSETS, fields)
            save_run(pipe, run)
            pipe.delete(keys.PREPARING)

        self._transaction(write)

    def _delete(self, found: list[str]) -> None:
        self._transaction(lambda pipe: pipe.unlink(*found))

    def _transaction(self, queue: Callable[[Pipeline], object]) -> None:
        change(
            self._client,
            keys.PREPARING,
            lambda pipe: pipe.get(keys.PREPARING) == self._token,
            queue,
        )


def change(
    client: redis.Redis,
    key: str,
    holds: Callable[[Pipeline], bool],
    queue: Callable[[Pipeline], object],
) -> None:
    """Run a transaction if a condition on a key holds, until which the key must not change.

    Raises
    ------
    StackError
        If another process has changed the key.
    redis.RedisError
        If Redis fails.
    """
    with client.pipeline() as pipe:
        pipe.watch(key)  # type: ignore[no-untyped-call]
        if not holds(pipe):
            raise StackError(_TAKEN_OVER)
        pipe.multi()
        queue(pipe)
        try:
            pipe.execute()
        except redis.WatchError as error:
            # The client raises it for a lost connection as well.
            if isinstance(error.__context__, redis.RedisError):
                raise error.__context__ from None
            raise StackError(_TAKEN_OVER) from None
