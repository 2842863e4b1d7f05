"""Submit predictions of your own to a live run, which scores them beside those of its models.

A table has the columns `pickup_location_id`, `predicted_demand`, and `pickup_hour` (a timestamp,
UTC if it has no zone, or RFC 3339 text) or `pickup_ts` (int64, epoch milliseconds). A row is taken
if it comes before its hour begins in simulated time. Rows are sent as they are, and the run judges
them: those that are not taken are counted by reason in `quality`, and kept in `dead_letters`.
"""

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import confluent_kafka as ck
import msgspec
import numpy as np
import pandas as pd
import redis

from rushhour.core import keys
from rushhour.core.errors import KafkaFailure, RedisFailure, StackError, UsageError
from rushhour.core.kafka_cluster import KafkaCluster
from rushhour.core.settings import Settings
from rushhour.core.submissions import MODEL, RUN_ID, is_model_name
from rushhour.core.table_columns import HOUR, PREDICTED, TS, ZONE
from rushhour.core.topics import SUBMISSIONS, partition_of, zone_key
from rushhour.core.zones import FIRST_ZONE, LAST_ZONE
from rushhour.runtime.kafka import kafka_failures, producer_config
from rushhour.runtime.redis_client import connect, read_hash, redis_failures
from rushhour.storage.clock import is_finished
from rushhour.storage.runs import load_offsets, load_run
from rushhour.storage.submissions import TAKEN, rejected_submissions

__all__ = ["Submitted", "submit", "submit_to"]

# Rows that are sent before the run has judged those before: the embedded Kafka keeps 5 MiB of a
# partition, and a reader that falls behind that ends the run.
_AT_ONCE = 20_000
_SEND_S = 30.0
_JUDGE_S = 30.0
_POLL_S = 0.01


@dataclass(frozen=True, slots=True)
class Submitted:
    """What became of submitted predictions.

    `rejected` is by reason; it has the rejected ones of others who submit at the same time, too.
    """

    model: str
    sent: int
    taken: int
    rejected: Mapping[str, int] = field(default_factory=dict)


def submit(
    frame: pd.DataFrame, *, model: str, kafka: str | None = None, redis_url: str | None = None
) -> Submitted:
    """Submit predictions to a live run, and wait until it has judged them.

    Parameters
    ----------
    frame
        The predictions: see the module.
    model
        Name of your model: 1 to 64 letters, digits, '_', '-' and '.'.
    kafka, redis_url
        Bootstrap servers and Redis of the run; without them, those of the environment
        (`RUSHHOUR_KAFKA`, `RUSHHOUR_REDIS`).

    Raises
    ------
    UsageError
        If a column is missing, the name is invalid, or it is not known where the run is.
    KafkaFailure, RedisFailure
        If Kafka or Redis fails, or the run is finished.
    StackError
        If the run does not judge the predictions.
    """
    settings = Settings.load(kafka=kafka, redis=redis_url)
    cluster, address = settings.servers("submission")
    with redis_failures(address):
        return submit_to(connect(address), cluster, frame, model)


def submit_to(
    client: redis.Redis, cluster: KafkaCluster, frame: pd.DataFrame, model: str
) -> Submitted:
    """Submit predictions as `submit` does, given a client of Redis and the Kafka of the run."""
    _check(frame, model)
    run = load_run(client)
    if is_finished(client, run):
        raise RedisFailure(f"run {run.run_id} is finished: nothing is taken any more")
    partitions = len(load_offsets(client, SUBMISSIONS))
    before = _counts(client, model)
    with kafka_failures(cluster) as errors:
        config = producer_config(cluster) | {
            "error_cb": errors,
            "delivery.report.only.error": False,
        }
        sender = _Sender(ck.Producer(config), cluster, partitions)
        for start in range(0, len(frame), _AT_ONCE):
            rows = frame.iloc[start : start + _AT_ONCE]
            sender.send(_records(rows, {RUN_ID: run.run_id, MODEL: model}))
            _wait_until_judged(client, sender.ends, start + len(rows), len(frame))
    taken, rejected = _counts(client, model)
    return Submitted(
        model,
        len(frame),
        taken - before[0],
        {
            reason: count - before[1].get(reason, 0)
            for reason, count in rejected.items()
            if count > before[1].get(reason, 0)
        },
    )


def _check(frame: pd.DataFrame, model: str) -> None:
    if not is_model_name(model):
        raise UsageError(
            f"model '{model}' is no name: use 1 to 64 letters, digits, '_', '-' and '.'"
        )
    missing = [name for name in (ZONE, PREDICTED) if name not in frame]
    if HOUR not in frame and TS not in frame:
        missing.append(f"{HOUR} or {TS}")
    if missing:
        raise UsageError(
            f"the predictions lack {', '.join(missing)}: they have {', '.join(map(str, frame))}"
        )


class _Sender:
    """Sends records and knows where they are on the topic; `ends` are the offsets after them."""

    def __init__(self, producer: ck.Producer, cluster: KafkaCluster, partitions: int) -> None:
        self.ends: dict[int, int] = {}
        self._producer = producer
        self._cluster = cluster
        self._partitions = partitions
        self._error: ck.KafkaError | None = None

    def send(self, records: Iterator[tuple[Any, bytes]]) -> None:
        """Send records, each with its zone, and wait until they are on Kafka."""
        topic = self._cluster.topic(SUBMISSIONS)
        for zone, value in records:
            known = isinstance(zone, int) and FIRST_ZONE <= zone <= LAST_ZONE
            self._producer.produce(
                topic,
                value,
                zone_key(zone) if known else None,
                partition_of(zone, self._partitions) if known else 0,
                on_delivery=self._delivered,
            )
            self._producer.poll(0)
        waiting = self._producer.flush(_SEND_S)
        if waiting or self._error is not None:
            why = self._error.str() if self._error is not None else "it does not answer"
            raise KafkaFailure(f"Kafka at {self._cluster}: topic '{topic}': {why}")

    def _delivered(self, error: ck.KafkaError | None, message: ck.Message) -> None:
        if error is not None:
            self._error = error
            return
        self.ends[message.partition() or 0] = (message.offset() or 0) + 1


def _wait_until_judged(client: redis.Redis, ends: Mapping[int, int], sent: int, rows: int) -> None:
    """Wait until the run has judged what was sent: its offsets are written with its decisions."""
    deadline = time.monotonic() + _JUDGE_S
    while True:
        offsets = load_offsets(client, SUBMISSIONS)
        if all(offsets[partition] >= end for partition, end in ends.items()):
            return
        if time.monotonic() > deadline:
            rest = f", {rows - sent:,} are not" if sent < rows else ""
            raise StackError(
                f"{sent:,} predictions are on the topic '{SUBMISSIONS}'{rest}, and the first "
                f"consumer has not judged them in {_JUDGE_S:g} s: see `rushhour status`"
            )
        time.sleep(_POLL_S)


def _counts(client: redis.Redis, model: str) -> tuple[int, dict[str, int]]:
    """Return how many of a model were taken so far, and how many of all were rejected."""
    taken = int(read_hash(client, keys.submitted_model(model)).get(TAKEN, 0))
    return taken, rejected_submissions(read_hash(client, keys.QUALITY))


def _records(rows: pd.DataFrame, fields: Mapping[str, str]) -> Iterator[tuple[Any, bytes]]:
    """Yield the zone of each row and the row as JSON, with further fields."""
    names = [name for name in (ZONE, HOUR, TS, PREDICTED) if name in rows]
    columns = [_plain_column(rows[name]) for name in names]
    encode = msgspec.json.Encoder().encode
    for values in zip(*columns, strict=True):
        yield values[0], encode({**fields, **dict(zip(names, values, strict=True))})


def _plain_column(column: "pd.Series[Any]") -> Sequence[Any]:
    return [_plain(value) for value in column.tolist()]


def _plain(value: Any) -> Any:
    """Return a value as JSON can hold it: null for what is missing."""
    if isinstance(value, bool | int | str):
        return value
    if value is None or value is pd.NA or value is pd.NaT:
        return None
    if isinstance(value, float):
        return value if np.isfinite(value) else None
    if isinstance(value, datetime):
        utc = value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)
        return utc.isoformat()
    if isinstance(value, np.generic):
        return _plain(value.item())
    return float(value) if isinstance(value, Decimal) else str(value)
