"""The Redis edge: forecasts and closed hours as plain hashes, sorted sets and a stream.

All that one batch of events brings is written in one transaction together with the offsets
that it covers. Every write sets a value that is a function of the events: writing the same
hour twice leaves the same Redis.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import redis
from redis.client import Pipeline

from consumers.columns import by_zone, rounded, to_values
from consumers.pending import ClosedHour, Forecast, Place
from consumers.scores import WINDOWS, RollingErrors, Scores
from core import keys
from core.hours import HOUR_MS, HOURS_PER_DAY, hour_label
from core.redis_client import write_hash
from core.zones import ZONE_COUNT, ZONE_IDS, zones

# What Redis says of an hour that the stream has already: it has the same fields.
_ENTRY_IS_THERE = "equal or smaller than the target stream top item"


class RedisWriter:
    """Writes what the consumer learns to Redis.

    `start_ts` is the first hour of the run; counts of pairs and rides grow from it.
    """

    def __init__(
        self, client: redis.Redis, start_ts: int, errors: RollingErrors, pairs: int, rides: int
    ) -> None:
        self._client = client
        self._start_ts = start_ts
        self._errors = errors
        self._pairs = pairs
        self._rides = rides

    def write_zones(self) -> None:
        """Write what is known of each zone before anything happens: its name and borough."""
        pipe = self._client.pipeline(transaction=False)
        for zone in zones():
            pipe.hset(keys.zone(zone.id), mapping={"name": zone.name, "borough": zone.borough})
        pipe.execute()

    def write(
        self, units: list[Forecast | ClosedHour], offsets: Mapping[Place, int], repeats: int = 0
    ) -> None:
        """Write forecasts and closed hours, in order, with the offsets that they cover.

        `repeats` is how many events this process has dropped because it had them already.

        What shows only the latest hour (zones, city, models, boards) is written once, for
        the last unit: within one transaction nobody could see the others.
        """
        pipe = self._client.pipeline(transaction=True)
        forecasts = [unit for unit in units if isinstance(unit, Forecast)]
        hours = [unit for unit in units if isinstance(unit, ClosedHour)]
        for forecast in forecasts:
            _write_predictions(pipe, forecast)
        for hour in hours:
            self._write_hour(pipe, hour)
        if forecasts:
            _write_next(pipe, forecasts[-1])
        if hours:
            self._write_latest(pipe, hours[-1])
        fields = {
            keys.offset_field(topic, partition): offset
            for (topic, partition), offset in offsets.items()
        }
        write_hash(pipe, keys.OFFSETS, fields)
        if repeats:
            write_hash(pipe, keys.DROPPED, {"repeated_events": repeats})
        for reply in pipe.execute(raise_on_error=False):
            if isinstance(reply, redis.RedisError) and _ENTRY_IS_THERE not in str(reply):
                raise reply

    def _write_hour(self, pipe: Pipeline, hour: ClosedHour) -> None:
        """Write what stays: the hour's own tables and its line in the city's stream."""
        label = hour_label(hour.hour_ts)
        predicted = hour.forecast.served
        error = predicted - hour.rides
        self._errors.learn(hour.hour_ts, hour.rides, hour.forecast.by_model)
        self._pairs += int((~np.isnan(error)).sum())
        self._rides += int(hour.rides.sum())
        write_hash(pipe, keys.rides(label), by_zone(hour.rides.tolist()))
        write_hash(pipe, keys.errors(label), by_zone(to_values(error)))
        entry = [
            item for pair in _city_entry(label, hour.rides, predicted).items() for item in pair
        ]
        pipe.execute_command("XADD", keys.CITY_HOURLY, f"{hour.hour_ts}-0", *entry)  # type: ignore[no-untyped-call]

    def _write_latest(self, pipe: Pipeline, hour: ClosedHour) -> None:
        """Write what shows the latest closed hour only."""
        label = hour_label(hour.hour_ts)
        predicted = hour.forecast.served
        columns: dict[str, list[Any]] = {
            "hour": [label] * ZONE_COUNT,
            "rides": hour.rides.tolist(),
            "prediction": to_values(predicted),
            "error": to_values(predicted - hour.rides),
        }
        for name in self._errors.models:
            city_fields: dict[str, Any] = {"hour": label}
            for window in WINDOWS:
                zones_scores, city = self._errors.scores(name, window)
                city_fields |= {field: values[0] for field, values in _columns(city, window)}
                if name == hour.forecast.served_model:
                    columns |= dict(_columns(zones_scores, window))
            write_hash(pipe, keys.model(name), city_fields)
        for zone, values in zip(ZONE_IDS, zip(*columns.values(), strict=True), strict=True):
            write_hash(pipe, keys.zone(zone), dict(zip(columns, values, strict=True)))
        _zadd(pipe, keys.BOARD_DEMAND, columns["rides"])
        _zadd(pipe, keys.BOARD_MAE, columns[f"mae_{HOURS_PER_DAY}h"])
        entry = _city_entry(label, hour.rides, predicted)
        write_hash(pipe, keys.CITY, entry | {"rides_so_far": self._rides})
        write_hash(pipe, keys.QUALITY, self._quality(hour.hour_ts))
        write_hash(
            pipe, keys.CLOCK, {"last_hour_closed": label, "last_hour_closed_ts": hour.hour_ts}
        )

    def _quality(self, hour_ts: int) -> dict[str, Any]:
        hours = (hour_ts - self._start_ts) // HOUR_MS + 1
        due = hours * ZONE_COUNT
        return {
            "hours_closed": hours,
            "rides": self._rides,
            "pairs_due": due,
            "pairs_scored": self._pairs,
            "overlap": rounded(self._pairs / due),
        }


def _write_predictions(pipe: Pipeline, forecast: Forecast) -> None:
    label = hour_label(forecast.hour_ts)
    for name, predicted in forecast.by_model.items():
        if name == forecast.served_model:
            write_hash(pipe, keys.predictions(label), by_zone(to_values(predicted)))
        elif not np.isnan(predicted).all():
            write_hash(pipe, keys.model_predictions(name, label), by_zone(to_values(predicted)))


def _write_next(pipe: Pipeline, forecast: Forecast) -> None:
    label = hour_label(forecast.hour_ts)
    for zone, value in zip(ZONE_IDS, to_values(forecast.served), strict=True):
        write_hash(pipe, keys.zone(zone), {"next_hour": label, "next_prediction": value})
    city = rounded(float(forecast.served.sum()))
    write_hash(pipe, keys.CITY, {"next_hour": label, "next_prediction": city})


def _city_entry(
    label: str, rides: npt.NDArray[np.int64], predicted: npt.NDArray[np.float64]
) -> dict[str, Any]:
    error = predicted - rides
    return {
        "hour": label,
        "rides": int(rides.sum()),
        "prediction": rounded(float(predicted.sum())),
        "error": rounded(float(error.sum())),
        "mae": rounded(float(np.abs(error).mean())),
    }


def _columns(scores: Scores, window: int) -> list[tuple[str, list[Any]]]:
    return [
        (f"{name}_{window}h", to_values(getattr(scores, name)))
        for name in ("mae", "rmse", "bias", "skill")
    ]


def _zadd(pipe: Pipeline, key: str, values: list[Any]) -> None:
    members = [
        item
        for zone, value in zip(ZONE_IDS, values, strict=True)
        if value != keys.NOT_KNOWN
        for item in (value, zone)
    ]
    if members:
        pipe.execute_command("ZADD", key, *members)  # type: ignore[no-untyped-call]
