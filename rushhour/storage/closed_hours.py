"""Closed hours of the whole city, as they are closed: rides, prediction, error, worst zones."""

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, cast

import redis

from rushhour.core import keys
from rushhour.core.errors import RedisFailure
from rushhour.core.hours import HOUR_MS, SECOND_MS, clock_label, hour_label
from rushhour.storage.clock import hour_of_entry, load_status
from rushhour.storage.runs import load_run

WORST_ZONES = 5
_BLOCK_MS = 200
_SILENT_S = 10.0  # a producer that lives reports several times a second


@dataclass(frozen=True, slots=True)
class ZoneError:
    """Rides of a zone in an hour, what was predicted, and predicted minus actual rides."""

    zone: int
    name: str
    rides: int
    prediction: float
    error: float


@dataclass(frozen=True, slots=True)
class ClosedHour:
    """One closed hour of the city, scored.

    `fields` is its entry of `city:hourly`; `worst` are the zones with the largest errors.
    """

    hour_ts: int
    fields: Mapping[str, str]
    worst: tuple[ZoneError, ...]

    @property
    def label(self) -> str:
        """The start of the hour, for display."""
        return clock_label(self.hour_ts)

    @property
    def rides(self) -> int:
        """Rides of all zones."""
        return int(self.fields["rides"])

    @property
    def prediction(self) -> float | None:
        """Rides that were predicted; None if none were."""
        return _number(self.fields["prediction"])

    @property
    def error(self) -> float | None:
        """Predicted minus actual rides of all zones; None without a prediction."""
        return _number(self.fields["error"])

    @property
    def mae(self) -> float | None:
        """Mean absolute error of the zones, rides; None without a prediction."""
        return _number(self.fields["mae"])


def follow_hours(
    client: redis.Redis, first_ts: int, end_ts: int, idle: Callable[[], None] = lambda: None
) -> Iterator[ClosedHour]:
    """Yield the closed hours of [`first_ts`, `end_ts`), epoch ms, as they are closed.

    `idle` is called several times a second while there is none.

    Raises
    ------
    RedisFailure
        If the clock will not come to `end_ts`: another command has stopped or paused it, the run
        was started over, or its producer does not answer.
    """
    run_id = load_run(client).run_id
    last_id = f"{first_ts - 1}-0"
    expected = first_ts
    while expected < end_ts:
        replies = cast(Any, client.xread({keys.CITY_HOURLY: last_id}, block=_BLOCK_MS))
        entries = [entry for _, found in replies for entry in found]
        for entry_id, fields in entries:
            last_id, hour_ts = entry_id, hour_of_entry(entry_id)
            if hour_ts >= end_ts:
                return
            yield ClosedHour(hour_ts, fields, worst_zones(client, hour_ts))
            expected = hour_ts + HOUR_MS
        if not entries:
            _check_under_way(client, run_id, expected, end_ts)
            idle()


def worst_zones(
    client: redis.Redis, hour_ts: int, limit: int = WORST_ZONES
) -> tuple[ZoneError, ...]:
    """Return the zones with the largest errors in a closed hour (epoch ms), the largest first."""
    label = hour_label(hour_ts)
    pipe = client.pipeline(transaction=False)
    for key in (keys.errors(label), keys.rides(label), keys.predictions(label)):
        pipe.hgetall(key)
    errors, rides, predictions = pipe.execute()
    known = [(zone, float(error)) for zone, error in errors.items() if error != keys.NOT_KNOWN]
    known.sort(key=lambda row: (-abs(row[1]), int(row[0])))
    worst = known[:limit]
    for zone, _ in worst:
        pipe.hget(keys.zone(int(zone)), "name")
    return tuple(
        ZoneError(int(zone), name or "", int(rides[zone]), float(predictions[zone]), error)
        for (zone, error), name in zip(worst, pipe.execute(), strict=True)
    )


def _check_under_way(client: redis.Redis, run_id: str, expected: int, end_ts: int) -> None:
    """Raise if the hour `expected` (epoch ms) will not be closed."""
    left = f"{clock_label(expected)} is not closed"
    if load_run(client).run_id != run_id:
        raise RedisFailure(f"the run was started over: {left}")
    status = load_status(client)
    if status is None or status.state == "finished":
        return
    if status.state == "stopped":
        raise RedisFailure(f"the run was stopped: {left}")
    if status.state == "paused" and status.now_ts < end_ts:
        raise RedisFailure(
            f"another command has paused the clock at {clock_label(status.now_ts)}: {left}"
        )
    if time.time() - status.heartbeat_ts / SECOND_MS > _SILENT_S:
        raise RedisFailure(f"the producer does not answer: {left}; look at its log")


def _number(text: str) -> float | None:
    return None if text == keys.NOT_KNOWN else float(text)
