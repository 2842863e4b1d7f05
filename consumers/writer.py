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

from consumers.pending import ClosedHour, Forecast, Place
from consumers.scores import WINDOWS, RollingErrors, Scores
from core import keys
from core.hours import HOUR_MS, hour_label
from core.models import DECIMALS
from core.redis_client import write_hash
from core.zones import ZONE_COUNT, ZONE_IDS, zones

NOT_KNOWN = "n/a"


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

    def write(self, units: list[Forecast | ClosedHour], offsets: Mapping[Place, int]) -> None:
        """Write forecasts and closed hours, in order, with the offsets that they cover."""
        pipe = self._client.pipeline(transaction=True)
        for unit in units:
            if isinstance(unit, Forecast):
                self._write_forecast(pipe, unit)
            else:
                self._write_hour(pipe, unit)
        write_hash(
            pipe,
            keys.OFFSETS,
            {keys.offset_field(topic, part): offset for (topic, part), offset in offsets.items()},
        )
        pipe.execute()

    def _write_forecast(self, pipe: Any, forecast: Forecast) -> None:
        label = hour_label(forecast.hour_ts)
        served, *others = forecast.by_model
        predicted = _numbers(forecast.by_model[served])
        write_hash(pipe, keys.predictions(label), dict(zip(ZONE_IDS, predicted, strict=True)))
        for name in others:
            if not np.isnan(forecast.by_model[name]).all():
                column = _numbers(forecast.by_model[name])
                write_hash(
                    pipe,
                    keys.model_predictions(name, label),
                    dict(zip(ZONE_IDS, column, strict=True)),
                )
        for zone, value in zip(ZONE_IDS, predicted, strict=True):
            write_hash(pipe, keys.zone(zone), {"next_hour": label, "next_prediction": value})
        city = float(forecast.by_model[served].sum())
        write_hash(pipe, keys.CITY, {"next_hour": label, "next_prediction": _number(city)})

    def _write_hour(self, pipe: Any, hour: ClosedHour) -> None:
        label = hour_label(hour.hour_ts)
        served = next(iter(hour.forecast.by_model))
        predicted = hour.forecast.by_model[served]
        error = predicted - hour.rides
        self._errors.learn(hour.hour_ts, hour.rides, hour.forecast.by_model)
        self._pairs += int((~np.isnan(error)).sum())
        self._rides += int(hour.rides.sum())
        rides = hour.rides.tolist()
        error_texts = _numbers(error)
        write_hash(pipe, keys.rides(label), dict(zip(ZONE_IDS, rides, strict=True)))
        write_hash(pipe, keys.errors(label), dict(zip(ZONE_IDS, error_texts, strict=True)))

        scores = [self._errors.by_zone(served, window) for window in WINDOWS]
        self._write_zone_hashes(pipe, label, rides, _numbers(predicted), error_texts, scores)
        _zadd(pipe, keys.BOARD_DEMAND, rides)
        _zadd(pipe, keys.BOARD_MAE, _numbers(scores[0].mae))
        for name in self._errors.models:
            write_hash(pipe, keys.model(name), {"hour": label} | self._city_scores(name))
        self._write_city(pipe, hour, label, served)
        hours = (hour.hour_ts - self._start_ts) // HOUR_MS + 1
        due = hours * ZONE_COUNT
        write_hash(
            pipe,
            keys.QUALITY,
            {
                "hours_closed": hours,
                "rides": self._rides,
                "pairs_due": due,
                "pairs_scored": self._pairs,
                "overlap": _number(self._pairs / due),
            },
        )
        write_hash(
            pipe, keys.CLOCK, {"last_hour_closed": label, "last_hour_closed_ts": hour.hour_ts}
        )

    def _write_zone_hashes(
        self,
        pipe: Any,
        label: str,
        rides: list[int],
        predicted: list[Any],
        errors: list[Any],
        scores: list[Scores],
    ) -> None:
        names = ["hour", "rides", "prediction", "error"]
        columns = [[label] * ZONE_COUNT, rides, predicted, errors]
        for window, score in zip(WINDOWS, scores, strict=True):
            for name in ("mae", "rmse", "bias", "skill"):
                names.append(f"{name}_{window}h")
                columns.append(_numbers(getattr(score, name)))
        for zone, values in zip(ZONE_IDS, zip(*columns, strict=True), strict=True):
            write_hash(pipe, keys.zone(zone), dict(zip(names, values, strict=True)))

    def _city_scores(self, model: str) -> dict[str, Any]:
        out: dict[str, Any] = {}
        for window in WINDOWS:
            score = self._errors.city(model, window)
            for name in ("mae", "rmse", "bias", "skill"):
                out[f"{name}_{window}h"] = _numbers(getattr(score, name))[0]
        return out

    def _write_city(self, pipe: Any, hour: ClosedHour, label: str, served: str) -> None:
        predicted = hour.forecast.by_model[served]
        error = predicted - hour.rides
        entry = {
            "hour": label,
            "rides": int(hour.rides.sum()),
            "prediction": _number(float(predicted.sum())),
            "error": _number(float(error.sum())),
            "mae": _number(float(np.abs(error).mean())),
        }
        write_hash(pipe, keys.CITY, entry | {"rides_so_far": self._rides})
        flat = [item for pair in entry.items() for item in pair]
        pipe.execute_command("XADD", keys.CITY_HOURLY, f"{hour.hour_ts}-0", *flat)


def _zadd(pipe: Any, key: str, values: list[Any]) -> None:
    members = [
        item
        for zone, value in zip(ZONE_IDS, values, strict=True)
        if value != NOT_KNOWN
        for item in (value, zone)
    ]
    if members:
        pipe.execute_command("ZADD", key, *members)


def _number(value: float) -> float:
    return round(value, DECIMALS) + 0.0  # no negative zero


def _numbers(values: npt.NDArray[np.float64]) -> list[Any]:
    rounded = (np.round(values, DECIMALS) + 0.0).tolist()
    return [value if value == value else NOT_KNOWN for value in rounded]  # noqa: PLR0124
