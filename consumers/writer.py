"""The Redis edge: forecasts and closed hours of zones as plain hashes and sorted sets.

All that one batch of events brings is written in one transaction together with the offsets
that it covers. Every write sets a value that is a function of the events: writing the same
hour twice leaves the same Redis.
"""

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import numpy as np
import redis
from redis.client import Pipeline

from consumers.columns import Zones, all_zones, rows, to_values
from consumers.pending import ClosedHour, Forecast, Place, Unit
from consumers.scores import WINDOWS, RollingErrors, named_scores, score_field
from core import keys
from core.hours import HOUR_MS, HOURS_PER_DAY, hour_label
from core.redis_client import write_hash
from core.zones import zones

U = TypeVar("U", Forecast, ClosedHour)


class ZoneWriter:
    """Writes what one consumer learns of its zones to Redis."""

    def __init__(self, client: redis.Redis, errors: RollingErrors, process: int = 0) -> None:
        self._client = client
        self._errors = errors
        self._process = process

    def write_zones(self) -> None:
        """Write what is known of each zone before anything happens: its name and borough."""
        pipe = self._client.pipeline(transaction=False)
        for zone in zones():
            pipe.hset(keys.zone(zone.id), mapping={"name": zone.name, "borough": zone.borough})
        pipe.execute()

    def write(
        self,
        units: list[Unit],
        offsets: Mapping[Place, int],
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
            _write_predictions(pipe, forecast)
        for hour in hours:
            self._write_hour(pipe, hour)
        _write_latest_of_each(pipe, forecasts, _write_next)
        _write_latest_of_each(pipe, hours, self._write_latest)
        fields = {
            keys.offset_field(topic, partition): offset
            for (topic, partition), offset in offsets.items()
        }
        write_hash(pipe, keys.OFFSETS, fields)
        if repeats:
            write_hash(pipe, keys.DROPPED, {keys.repeats_field(self._process): repeats})
        if hours:
            closed = {partition: hour - HOUR_MS for partition, hour in next_hours.items()}
            write_hash(pipe, keys.CLOSED, closed)
        pipe.hgetall(keys.CLOSED)
        return as_closed(pipe.execute()[-1])

    def _write_hour(self, pipe: Pipeline, hour: ClosedHour) -> None:
        """Write what stays: the hour's own tables."""
        label = hour_label(hour.hour_ts)
        self._errors.learn(hour.hour_ts, hour.rides, hour.forecast.by_model, hour.zones)
        error = hour.forecast.served - hour.rides
        write_hash(pipe, keys.rides(label), dict(rows(hour.rides.tolist(), hour.zones)))
        write_hash(pipe, keys.errors(label), dict(rows(to_values(error), hour.zones)))

    def _write_latest(self, pipe: Pipeline, hour: ClosedHour, zones: Zones) -> None:
        """Write what shows the latest closed hour only."""
        predicted = hour.forecast.served
        columns: dict[str, list[Any]] = {
            "hour": [hour_label(hour.hour_ts)] * len(zones),
            "rides": hour.rides.tolist(),
            "prediction": to_values(predicted),
            "error": to_values(predicted - hour.rides),
        }
        for window in WINDOWS:
            scores = self._errors.zone_scores(hour.forecast.served_model, window, hour.hour_ts)
            columns |= dict(named_scores(scores, window))
        for zone, row in rows(zip(*columns.values(), strict=True), zones):
            write_hash(pipe, keys.zone(zone), dict(zip(columns, row, strict=True)))
        _zadd(pipe, keys.BOARD_DEMAND, columns["rides"], zones)
        _zadd(pipe, keys.BOARD_MAE, columns[score_field("mae", HOURS_PER_DAY)], zones)


def as_closed(fields: Mapping[str, str]) -> dict[int, int]:
    """Return `sim:closed` as numbers: partition -> last closed hour (epoch ms)."""
    return {int(partition): int(hour) for partition, hour in fields.items()}


def _write_latest_of_each(
    pipe: Pipeline, units: list[U], write: Callable[[Pipeline, U, Zones], None]
) -> None:
    """Write each zone's latest unit. Partitions may have come to different hours."""
    left = all_zones()
    for unit in reversed(units):
        zones = unit.zones & left
        left &= ~zones
        if zones.any():
            write(pipe, unit, zones)


def _write_predictions(pipe: Pipeline, forecast: Forecast) -> None:
    label = hour_label(forecast.hour_ts)
    for name, predicted in forecast.by_model.items():
        values = dict(rows(to_values(predicted), forecast.zones))
        if name == forecast.served_model:
            write_hash(pipe, keys.predictions(label), values)
        elif not np.isnan(predicted).all():
            write_hash(pipe, keys.model_predictions(name, label), values)


def _write_next(pipe: Pipeline, forecast: Forecast, zones: Zones) -> None:
    label = hour_label(forecast.hour_ts)
    for zone, value in rows(to_values(forecast.served), zones):
        write_hash(pipe, keys.zone(zone), {"next_hour": label, "next_prediction": value})


def _zadd(pipe: Pipeline, key: str, values: list[Any], zones: Zones) -> None:
    members = [
        item
        for zone, value in rows(values, zones)
        if value != keys.NOT_KNOWN
        for item in (value, zone)
    ]
    if members:
        pipe.execute_command("ZADD", key, *members)  # type: ignore[no-untyped-call]
