"""The Redis edge: forecasts and closed hours of zones as plain hashes and sorted sets.

All that one batch of events brings is written in one transaction together with the offsets
that it covers. Every write sets a value that is a function of the events: writing the same
hour twice leaves the same Redis.
"""

from collections.abc import Iterator, Mapping
from itertools import repeat
from typing import Any, TypeVar

import numpy as np
import redis
from redis.client import Pipeline

from consumers.pending import ClosedHour, Forecast, HourUpdate, TopicPartition
from consumers.rolling import Rolling
from consumers.rolling_errors import score_field
from rushhour.core import keys
from rushhour.core.hours import HOUR_MS, HOURS_PER_DAY, hour_label
from rushhour.core.zones import ZONE_COUNT, zones
from rushhour.runtime.redis_client import write_hash
from rushhour.storage.columns import ZoneMask, all_zones, rows, to_values

U = TypeVar("U", Forecast, ClosedHour)


class ZoneWriter:
    """Writes what one consumer learns of its zones to Redis."""

    def __init__(self, client: redis.Redis, rolling: Rolling, process: int = 0) -> None:
        self._client = client
        self._rolling = rolling
        self._process = process

    def write_zones(self) -> None:
        """Write what is known of each zone before anything happens: its name and borough."""
        pipe = self._client.pipeline(transaction=False)
        for zone in zones():
            pipe.hset(keys.zone(zone.id), mapping={"name": zone.name, "borough": zone.borough})
        pipe.execute()

    def write(
        self,
        units: list[HourUpdate],
        offsets: Mapping[TopicPartition, int],
        next_hours: Mapping[int, int],
        repeats: int = 0,
    ) -> dict[int, int]:
        """Write forecasts and closed hours, in order, with the offsets that they cover.

        `next_hours` is the first open hour of each of this consumer's partitions. `repeats` is
        how many events this process has dropped because it had them already.

        What shows only the latest hour is written once: within one transaction nobody could see
        the others.

        Returns the last closed hour of every partition, the other consumers' included.
        """
        pipe = self._client.pipeline(transaction=True)
        forecasts = [unit for unit in units if isinstance(unit, Forecast)]
        hours = [unit for unit in units if isinstance(unit, ClosedHour)]
        for forecast in forecasts:
            _write_forecast(pipe, forecast)
        for hour in hours:
            self._write_hour(pipe, hour)
        latest = _ZoneFields()
        for forecast, which in _latest_of_each(forecasts):
            latest.put(_next(forecast), which)
        for hour, which in _latest_of_each(hours):
            columns = self._closed(hour)
            latest.put(columns, which)
            _zadd(pipe, keys.BOARD_RIDES, columns["rides"], which)
            _zadd(pipe, keys.BOARD_MAE, columns[score_field("mae", HOURS_PER_DAY)], which)
        latest.write(pipe)
        fields = {
            keys.offset_field(topic, partition): offset
            for (topic, partition), offset in offsets.items()
        }
        write_hash(pipe, keys.OFFSETS, fields)
        if repeats:
            write_hash(pipe, keys.DUPLICATES, {keys.duplicates_field(self._process): repeats})
        if hours:
            closed = {partition: hour - HOUR_MS for partition, hour in next_hours.items()}
            write_hash(pipe, keys.CLOSED, closed)
        pipe.hgetall(keys.CLOSED)
        return as_closed(pipe.execute()[-1])

    def _write_hour(self, pipe: Pipeline, hour: ClosedHour) -> None:
        """Write what stays: the hour's own tables."""
        label = hour_label(hour.hour_ts)
        self._rolling.learn(hour.hour_ts, hour.rides, hour.forecast, hour.zones)
        _write_table(pipe, keys.rides(label), hour.rides.tolist(), hour.zones)
        error = to_values(hour.forecast.served - hour.rides)
        _write_table(pipe, keys.errors(label), error, hour.zones)

    def _closed(self, hour: ClosedHour) -> dict[str, list[Any]]:
        """Return what a zone shows of its latest closed hour: field -> a value a zone."""
        forecast = hour.forecast
        return {
            "hour": [hour_label(hour.hour_ts)] * ZONE_COUNT,
            "rides": hour.rides.tolist(),
            "prediction": to_values(forecast.served),
            "lower": to_values(forecast.lower),
            "upper": to_values(forecast.upper),
            "error": to_values(forecast.served - hour.rides),
        } | self._rolling.of_zones(forecast.served_model, hour.hour_ts)


class _ZoneFields:
    """What one transaction changes in the hash of each zone: one command a zone."""

    def __init__(self) -> None:
        self._flat: dict[int, list[Any]] = {}

    def put(self, columns: Mapping[str, list[Any]], zones: ZoneMask) -> None:
        """Add fields of the given zones; a column has one value for every zone."""
        flat = (each for name, column in columns.items() for each in (repeat(name), column))
        for zone, fields in rows(zip(*flat, strict=False), zones):  # names have no end
            self._flat.setdefault(zone, []).extend(fields)

    def write(self, pipe: Pipeline) -> None:
        for zone, fields in self._flat.items():
            pipe.execute_command("HSET", keys.zone(zone), *fields)  # type: ignore[no-untyped-call]


def as_closed(fields: Mapping[str, str]) -> dict[int, int]:
    """Return `sim:closed` as numbers: partition -> last closed hour (epoch ms)."""
    return {int(partition): int(hour) for partition, hour in fields.items()}


def _latest_of_each(units: list[U]) -> Iterator[tuple[U, ZoneMask]]:
    """Yield the latest unit of each zone. Partitions may have come to different hours."""
    left = all_zones()
    for unit in reversed(units):
        zones = unit.zones & left
        left &= ~zones
        if zones.any():
            yield unit, zones


def _write_forecast(pipe: Pipeline, forecast: Forecast) -> None:
    label = hour_label(forecast.hour_ts)
    columns = {keys.lower(label): forecast.lower, keys.upper(label): forecast.upper}
    for name, predicted in forecast.by_model.items():
        if name == forecast.served_model:
            columns[keys.predictions(label)] = predicted
        elif not np.isnan(predicted).all():
            columns[keys.model_predictions(name, label)] = predicted
    for key, column in columns.items():
        _write_table(pipe, key, to_values(column), forecast.zones)
    raised = forecast.zones & ~np.isnan(forecast.drift)
    if raised.any():
        before = hour_label(forecast.hour_ts - HOUR_MS)
        _write_table(pipe, keys.hour_alerts(before), to_values(forecast.drift), raised)


def _next(forecast: Forecast) -> dict[str, list[Any]]:
    """Return what a zone shows of its next hour: field -> a value a zone."""
    return {
        "next_hour": [hour_label(forecast.hour_ts)] * ZONE_COUNT,
        "next_prediction": to_values(forecast.served),
        "next_lower": to_values(forecast.lower),
        "next_upper": to_values(forecast.upper),
    }


def _write_table(pipe: Pipeline, key: str, values: list[Any], zones: ZoneMask) -> None:
    """Set a hash zone -> value; `values` has one value for every zone."""
    flat = [item for pair in rows(values, zones) for item in pair]
    pipe.execute_command("HSET", key, *flat)  # type: ignore[no-untyped-call]


def _zadd(pipe: Pipeline, key: str, values: list[Any], zones: ZoneMask) -> None:
    process_specs = [
        item
        for zone, value in rows(values, zones)
        if value != keys.NOT_KNOWN
        for item in (value, zone)
    ]
    if process_specs:
        pipe.execute_command("ZADD", key, *process_specs)  # type: ignore[no-untyped-call]
