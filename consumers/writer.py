"""The Redis edge of zones: forecasts and closed hours as plain hashes and sorted sets.

Everything that one batch of events completes is written in one transaction, together with the
offsets that it covers. Every write sets a value that is a function of the events: writing the
same hour twice leaves the same Redis.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import compress
from typing import Any, TypeVar

import numpy as np
import redis
from redis.client import Pipeline

from consumers.assignment import TopicPartition
from consumers.pending import HourUpdate
from consumers.rolling import score_field
from consumers.zone_scores import ZoneScores
from rushhour.core import keys
from rushhour.core.arrays import ZoneMask
from rushhour.core.forecast import Forecast
from rushhour.core.hours import HOUR_MS, HOURS_PER_DAY, hour_label
from rushhour.core.zones import ZONE_COUNT, ZONE_IDS, zones
from rushhour.runtime.failpoints import reach
from rushhour.runtime.fence import READ_FENCE, Condition, Fence, StaleState
from rushhour.runtime.lua import Script
from rushhour.runtime.redis_client import read_hash, write_hash
from rushhour.storage.ahead import ahead_texts
from rushhour.storage.columns import ZONE_FIELDS, all_zones, rows, to_counts, to_texts
from rushhour.storage.hash_rows import HashRows
from rushhour.storage.hour_tables import HourTables

V = TypeVar("V")

Tables = dict[str, list[str]]  # key -> one value per zone, as text

_ZONE_KEYS = tuple(map(keys.zone, ZONE_IDS))

# Offsets (ARGV[1] of the fields that follow) and closed hours (the rest).
_READ_WRITTEN = Script(
    f"""
    local offsets = redis.call('HMGET', KEYS[3], unpack(ARGV, 2, 1 + ARGV[1]))
    local closed = redis.call('HMGET', KEYS[4], unpack(ARGV, 2 + ARGV[1]))
    return {{{READ_FENCE}, offsets, closed}}
    """
)


@dataclass(frozen=True, slots=True)
class Written:
    """What Redis holds of a consumer's partitions, as it was read or written last.

    `offsets` are those from which a restart reads, `closed` is the last closed hour of each
    partition (epoch ms), None before the first.
    """

    offsets: Mapping[TopicPartition, int]
    closed: Mapping[int, int | None]


class ZoneWriter:
    """Writes the updates of one consumer's zones to Redis.

    Parameters
    ----------
    written
        What Redis holds. Each transaction checks that it does so still.
    """

    def __init__(
        self, client: redis.Redis, fence: Fence, written: Written, process: int = 0
    ) -> None:
        self._client = client
        self._fence = fence
        self._process = process
        self._offsets = {
            keys.offset_field(*place): offset for place, offset in written.offsets.items()
        }
        self._closed = dict(written.closed)

    def write_zones(self) -> None:
        """Write name and borough of each zone."""
        self._fence.execute(self._client, _queue_zones, self._condition())

    def check(self) -> None:
        """Check that Redis holds what was written last.

        Raises
        ------
        RushhourError
            If it does not.
        """
        self._fence.execute(self._client, lambda _: None, self._condition())

    def write(
        self,
        updates: Sequence[HourUpdate],
        scores: ZoneScores,
        offsets: Mapping[TopicPartition, int],
        next_hours: Mapping[int, int],
        duplicates: int = 0,
    ) -> dict[int, int]:
        """Write updates, in order of hours, with the offsets that they cover.

        What shows only the latest hour is written once: within one transaction nobody could see
        the others.

        Parameters
        ----------
        scores
            Scores that have learned the updates.
        next_hours
            The first open hour of each of this consumer's partitions (epoch ms).
        duplicates
            How many events this process has dropped because it had them already.

        Returns
        -------
        dict[int, int]
            The last closed hour of every partition, including those of other consumers (epoch ms).

        Raises
        ------
        StaleState
            If Redis does not hold what was written last.
        RushhourError
            If another process has taken over, or Redis has lost the run.
        """
        hour = updates[0].forecast.hour_ts - HOUR_MS if updates else 0
        new_offsets = {keys.offset_field(*place): offset for place, offset in offsets.items()}
        new_closed = (
            {partition: hour - HOUR_MS for partition, hour in next_hours.items()}
            if any(update.closed is not None for update in updates)
            else {}
        )

        def queue(pipe: Pipeline) -> None:
            _queue_updates(pipe, updates, scores)
            write_hash(pipe, keys.OFFSETS, new_offsets)
            if duplicates:
                field = keys.duplicates_field(self._process)
                write_hash(pipe, keys.DUPLICATES, {field: duplicates})
            if new_closed:
                write_hash(pipe, keys.CLOSED, new_closed)
            pipe.hgetall(keys.CLOSED)
            reach("consumer.transaction", hour=hour)

        replies = self._fence.execute(self._client, queue, self._condition())
        assert replies is not None  # the condition raises
        self._offsets |= new_offsets
        self._closed |= new_closed
        reach("consumer.written", hour=hour)
        return _as_closed(replies[-1])

    def _condition(self) -> Condition:
        return Condition(
            _READ_WRITTEN,
            (keys.OFFSETS, keys.CLOSED),
            (len(self._offsets), *self._offsets, *self._closed),
            holds=self._check,
        )

    def _check(self, found: Sequence[Any]) -> bool:
        offsets, closed = found
        written: tuple[tuple[str, Mapping[Any, int | None], Sequence[str | None]], ...] = (
            (keys.OFFSETS, self._offsets, offsets),
            (keys.CLOSED, self._closed, closed),
        )
        for key, expected, values in written:
            for (field, value), held in zip(expected.items(), values, strict=True):
                if held != (None if value is None else str(value)):
                    raise StaleState(
                        f"Redis does not hold what consumer {self._process} wrote last: field "
                        f"'{field}' of {key} is {held} instead of {value}"
                    )
        return True


def _queue_zones(pipe: Pipeline) -> None:
    for zone in zones():
        pipe.hset(keys.zone(zone.id), mapping={"name": zone.name, "borough": zone.borough})


def _queue_updates(pipe: Pipeline, updates: Sequence[HourUpdate], scores: ZoneScores) -> None:
    hashes = HashRows()
    tables = {update.forecast_ts: _put_tables(hashes, update) for update in updates}
    for update, which in _latest_of_each(updates):
        columns = _next_fields(update.forecast, tables[update.forecast_ts])
        if update.closed is not None:
            columns |= _latest_fields(update.closed, tables[update.forecast_ts])
            columns |= scores.fields(update.closed.hour_ts)
            _zadd(pipe, keys.BOARD_RIDES, columns["rides"], which)
            _zadd(pipe, keys.BOARD_MAE, columns[score_field("mae", HOURS_PER_DAY)], which)
        values = list(zip(*columns.values(), strict=True))
        hashes.put(_of(_ZONE_KEYS, which), list(columns), _of(values, which))
    hashes.queue(pipe)


def read_closed(client: redis.Redis) -> dict[int, int]:
    """Return the last hour that each partition has closed (epoch ms), from `sim:closed`."""
    return _as_closed(read_hash(client, keys.CLOSED))


def _as_closed(fields: Mapping[str, str]) -> dict[int, int]:
    return {int(partition): int(hour) for partition, hour in fields.items()}


def _latest_of_each(updates: Sequence[HourUpdate]) -> Iterator[tuple[HourUpdate, ZoneMask]]:
    """Yield the latest update of each zone. Partitions may have reached different hours."""
    left = all_zones()
    for update in reversed(updates):
        which = update.zones & left
        left &= ~which
        if which.any():
            yield update, which


def _put_tables(hashes: HashRows, update: HourUpdate) -> Tables:
    """Put the tables of the hours of an update, hashes zone -> value, and return them."""
    tables = _forecast_tables(update.forecast)
    if update.closed is not None:
        tables |= _closed_tables(update.closed)
        alerted = update.zones & ~np.isnan(update.closed.alerts)
        key = keys.hour_alerts(hour_label(update.closed.hour_ts))
        changes = to_texts(update.closed.alerts)
        hashes.put([key], _of(ZONE_FIELDS, alerted), [_of(changes, alerted)])
    values = [_of(column, update.zones) for column in tables.values()]
    hashes.put(list(tables), _of(ZONE_FIELDS, update.zones), values)
    return tables


def _forecast_tables(forecast: Forecast) -> Tables:
    """Return the tables of a forecast."""
    label = hour_label(forecast.hour_ts)
    columns = {
        keys.predictions(label): forecast.mean,
        keys.medians(label): forecast.median,
        keys.lower(label): forecast.lower,
        keys.upper(label): forecast.upper,
    }
    for name, predicted in forecast.by_model.items():
        if name != forecast.served_model and not np.isnan(predicted).all():
            columns[keys.model_predictions(name, label)] = predicted
    tables = {key: to_texts(column) for key, column in columns.items()}
    for horizon, ahead in forecast.ahead.items():
        tables[keys.ahead(horizon, hour_label(ahead.hour_ts))] = ahead_texts(ahead)
    return tables


def _closed_tables(hour: HourTables) -> Tables:
    """Return the tables of a closed hour."""
    label = hour_label(hour.hour_ts)
    return {
        keys.rides(label): list(map(str, to_counts(hour.rides))),
        keys.errors(label): to_texts(hour.forecast.mean - hour.rides),
    }


def _latest_fields(hour: HourTables, tables: Tables) -> dict[str, list[str]]:
    """Return what a zone shows of its latest closed hour: field -> one value per zone."""
    label = hour_label(hour.hour_ts)
    return {
        "hour": [label] * ZONE_COUNT,
        "rides": tables[keys.rides(label)],
        "prediction": to_texts(hour.forecast.mean),
        "median": to_texts(hour.forecast.median),
        "lower": to_texts(hour.forecast.lower),
        "upper": to_texts(hour.forecast.upper),
        "error": tables[keys.errors(label)],
    }


def _next_fields(forecast: Forecast, tables: Tables) -> dict[str, list[str]]:
    """Return what a zone shows of its next hour: field -> one value per zone."""
    label = hour_label(forecast.hour_ts)
    return {
        "next_hour": [label] * ZONE_COUNT,
        "next_prediction": tables[keys.predictions(label)],
        "next_median": tables[keys.medians(label)],
        "next_lower": tables[keys.lower(label)],
        "next_upper": tables[keys.upper(label)],
    }


def _of(values: Sequence[V], zones: ZoneMask) -> list[V]:
    """Return the values of some zones; `values` has one value for every zone."""
    return list(compress(values, zones.tolist()))


def _zadd(pipe: Pipeline, key: str, values: list[str], zones: ZoneMask) -> None:
    members = [
        item
        for zone, value in rows(values, zones)
        if value != keys.NOT_KNOWN
        for item in (value, zone)
    ]
    if members:
        pipe.execute_command("ZADD", key, *members)  # type: ignore[no-untyped-call]
