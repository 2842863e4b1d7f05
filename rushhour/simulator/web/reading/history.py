"""The past: one zone hour by hour, and the whole city hour by hour."""

from collections.abc import Sequence
from typing import Any, Literal, cast, get_args

import redis

from rushhour.core import keys
from rushhour.core.hours import HOUR_MS, HOURS_PER_DAY, HOURS_PER_WEEK, hour_label
from rushhour.core.run import RunInfo
from rushhour.simulator.web.reading.figures import execute, number
from rushhour.simulator.web.reading.hours import OF_HOUR
from rushhour.storage.ahead import ZoneAhead, read_zone_ahead
from rushhour.storage.clock import hour_of_entry, last_hour_closed

Window = Literal["24h", "7d", "all"]
WINDOWS: tuple[str, ...] = get_args(Window)
HOURS_OF = {"24h": HOURS_PER_DAY, "7d": HOURS_PER_WEEK}

_CITY_FIELDS = {
    "rides": "rides",
    "predicted": "prediction",
    "error": "error",
    "mae": "mae",
    "coverage": "coverage",
}


def read_zone(
    client: redis.Redis, run: RunInfo, zone: int, hours: int, until_ts: int | None = None
) -> dict[str, Any]:
    """Return hours of a zone, the forecast for the one after them, and its alerts in them.

    The last of the hours is that of `until_ts` (epoch ms), or the last closed one.

    The columns have one value per hour; the last is the next hour, whose rides are not known.
    `ahead` are the forecasts that were made with that of the next hour, the nearest first, that one
    included; empty for a run that forecasts the next hour only.
    """
    closed = last_hour_closed(client)
    if closed is not None and until_ts is not None:
        closed = max(run.start_ts, min(closed, until_ts - until_ts % HOUR_MS))
    end = run.start_ts if closed is None else closed + HOUR_MS  # the hour that is predicted
    times = range(max(run.start_ts, end - hours * HOUR_MS), end + 1, HOUR_MS)
    pipe = client.pipeline(transaction=False)
    for key in OF_HOUR.values():
        for ts in times:
            pipe.hget(key(hour_label(ts)), str(zone))
    pipe.xrange(keys.ALERTS, f"{times[0]}-0", f"({end}-0")
    *found, entries = execute(pipe)
    figures = iter(map(number, found))
    columns = {name: [next(figures) for _ in times] for name in OF_HOUR}
    further = read_zone_ahead(client, run, zone, end)
    return {"zone": zone, "pickup_ts": list(times), **columns} | {
        "ahead": _fan(end, {name: column[-1] for name, column in columns.items()}, further),
        "alerts": [
            alert for alert in (alert_of(*entry) for entry in entries) if alert["zone"] == zone
        ],
    }


def _fan(
    next_hour: int, following: dict[str, Any], further: Sequence[ZoneAhead]
) -> dict[str, list[Any]]:
    """Return the forecast of the next hour (epoch ms) and those further ahead, as columns."""
    fan: dict[str, list[Any]] = {"pickup_ts": [], "predicted": [], "lower": [], "upper": []}
    if not further:
        return fan
    rows = [
        (next_hour, following["predicted"], following["lower"], following["upper"]),
        *((each.hour_ts, each.mean, each.lower, each.upper) for each in further),
    ]
    return dict(zip(fan, map(list, zip(*rows, strict=True)), strict=True))


def read_city(client: redis.Redis, window: str) -> dict[str, Any]:
    """Return the closed hours of the city, one value per hour: the last 24 h, 7 days, or all."""
    count = HOURS_OF.get(window)
    entries = cast(list[Any], client.xrevrange(keys.CITY_HOURLY, count=count))[::-1]
    return {
        "window": window,
        "pickup_ts": [hour_of_entry(entry_id) for entry_id, _ in entries],
    } | {
        name: [number(fields.get(field)) for _, fields in entries]
        for name, field in _CITY_FIELDS.items()
    }


def alert_of(entry_id: str, fields: dict[str, str]) -> dict[str, Any]:
    """Return an entry of the stream `alerts` as an object."""
    return {
        "id": entry_id,
        "pickup_ts": hour_of_entry(entry_id),
        "zone": number(fields.get("zone")),
        "direction": fields.get("direction", ""),
        "relative_change": number(fields.get("relative_change")),
    }
