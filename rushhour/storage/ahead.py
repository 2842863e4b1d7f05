"""A forecast further ahead, as Redis holds it: four numbers for each zone."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

import redis

from rushhour.core import keys
from rushhour.core.forecast import Forecast
from rushhour.core.horizons import NEXT_HOUR
from rushhour.core.hours import HOUR_MS, hour_label
from rushhour.core.run import RunInfo
from rushhour.storage.columns import to_texts
from rushhour.storage.table_texts import rows_from_text

_COLUMNS = 4


@dataclass(frozen=True, slots=True)
class ZoneAhead:
    """What is predicted for a zone in the hour that starts at `hour_ts` (epoch ms)."""

    horizon: int
    hour_ts: int
    mean: float
    median: float
    lower: float
    upper: float


def ahead_texts(forecast: Forecast) -> list[str]:
    """Return a forecast as Redis holds it, one text per zone."""
    columns = (forecast.mean, forecast.median, forecast.lower, forecast.upper)
    return list(map(",".join, zip(*map(to_texts, columns), strict=True)))


def ahead_from_text(hour_ts: int, model: str, text: str) -> Forecast:
    """Return such a table, read as one text: NaN where a zone is missing.

    Parameters
    ----------
    hour_ts
        The hour that was forecast (epoch ms).
    model
        The served model.
    text
        As `rushhour.storage.table_texts` reads it.
    """
    mean, median, lower, upper = rows_from_text(text, _COLUMNS).T
    return Forecast(hour_ts, {model: median}, mean, lower, upper)


def read_zone_ahead(
    client: redis.Redis, run: RunInfo, zone: int, next_hour: int
) -> list[ZoneAhead]:
    """Return what was predicted for a zone beyond an hour, when that was the next one (epoch ms).

    Horizons whose forecast Redis does not hold are left out.
    """
    hours = {each: next_hour + (each - NEXT_HOUR) * HOUR_MS for each in run.horizons_ahead}
    pipe = client.pipeline(transaction=False)
    for horizon, hour_ts in hours.items():
        pipe.hget(keys.ahead(horizon, hour_label(hour_ts)), str(zone))
    texts = cast(Sequence[str | None], pipe.execute())
    return [
        ZoneAhead(horizon, hour_ts, *map(float, text.split(",")))
        for (horizon, hour_ts), text in zip(hours.items(), texts, strict=True)
        if text is not None
    ]
