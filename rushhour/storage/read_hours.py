"""The one reader of the tables of hours: `rides:*`, `predictions:*`, `alerts:*` and so on."""

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import replace

import redis
from redis.client import NEVER_DECODE, Pipeline

from rushhour.core import keys
from rushhour.core.arrays import Floats
from rushhour.core.forecast import Forecast
from rushhour.core.hours import HOURS_PER_DAY, hour_label
from rushhour.core.run import RunInfo
from rushhour.storage.ahead import ahead_from_text
from rushhour.storage.columns import unknown
from rushhour.storage.hour_tables import HourTables
from rushhour.storage.table_texts import from_text, queue_texts

_HOURS_AT_ONCE = HOURS_PER_DAY  # bounds the size of one reply


def read_hours(
    client: redis.Redis,
    run: RunInfo,
    hours: Iterable[int],
    *,
    models: Collection[str] | None = None,
    rides: bool = True,
    alerts: bool = True,
) -> Iterator[HourTables]:
    """Yield the tables of the given hours (epoch ms), in their order; NaN where Redis has none.

    Parameters
    ----------
    models
        Models of the run whose predictions are read, all if None; others are missing from
        `Forecast.by_model`. Mean and interval are read with the served model.
    rides, alerts
        Whether these are read; if not, they are NaN.
    """
    hours = list(hours)
    for start in range(0, len(hours), _HOURS_AT_ONCE):
        block = hours[start : start + _HOURS_AT_ONCE]
        keys_of = {hour: _keys(run, hour_label(hour), models, rides, alerts) for hour in block}
        pipe = client.pipeline(transaction=False)
        for names in keys_of.values():
            queue_texts(pipe, names)
        for (hour, names), texts in zip(keys_of.items(), pipe.execute(), strict=True):
            yield _tables(run, hour, dict(zip(names, map(from_text, texts), strict=True)))


def read_hours_ahead(
    client: redis.Redis, run: RunInfo, hours: Iterable[int]
) -> Iterator[HourTables]:
    """Yield the whole tables of hours, as `read_hours`, and what was forecast further ahead."""
    if not run.horizons_ahead:
        yield from read_hours(client, run, hours)
        return
    wanted = list(hours)
    for start in range(0, len(wanted), _HOURS_AT_ONCE):
        block = list(read_hours(client, run, wanted[start : start + _HOURS_AT_ONCE]))
        pipe = client.pipeline(transaction=False)
        for tables in block:
            queue_texts(pipe, ahead_keys(run, tables.hour_ts))
        for tables, texts in zip(block, pipe.execute(), strict=True):
            ahead = {
                horizon: ahead_from_text(tables.hour_ts, run.models[0], text)
                for horizon, text in zip(run.horizons_ahead, texts, strict=True)
            }
            yield replace(tables, ahead=ahead)


def ahead_keys(run: RunInfo, hour: int) -> list[str]:
    """Return the keys of what was forecast for an hour (epoch ms) further ahead."""
    return [keys.ahead(horizon, hour_label(hour)) for horizon in run.horizons_ahead]


def queue_table(pipe: Pipeline, key: str) -> None:
    """Queue the read of a hash zone -> value, as `rushhour.storage.columns.from_hash` takes it."""
    pipe.execute_command("HGETALL", key, **{NEVER_DECODE: True})  # type: ignore[no-untyped-call]


def table_keys(run: RunInfo, hour: int) -> list[str]:
    """Return the keys of all tables of an hour (epoch ms), but for predictions of users."""
    label = hour_label(hour)
    return [
        *_keys(run, label, None, rides=True, alerts=True),
        keys.errors(label),
        *ahead_keys(run, hour),
    ]


def prediction_key(run: RunInfo, model: str, label: str) -> str:
    """Return the key of a model's `Forecast.by_model` for the hour with this label."""
    if model in run.models[:1]:
        return keys.medians(label)
    return keys.model_predictions(model, label)


def _keys(
    run: RunInfo, label: str, models: Collection[str] | None, rides: bool, alerts: bool
) -> list[str]:
    wanted = [name for name in run.models if models is None or name in models]
    found = [prediction_key(run, name, label) for name in wanted]
    if wanted and wanted[0] == run.models[0]:
        found += [keys.predictions(label), keys.lower(label), keys.upper(label)]
    if rides:
        found.append(keys.rides(label))
    if alerts:
        found.append(keys.hour_alerts(label))
    return found


def _tables(run: RunInfo, hour: int, columns: Mapping[str, Floats]) -> HourTables:
    label = hour_label(hour)
    keys_of = {name: prediction_key(run, name, label) for name in run.models}
    forecast = Forecast(
        hour,
        {name: columns[key] for name, key in keys_of.items() if key in columns},
        mean=columns.get(keys.predictions(label), unknown()),
        lower=columns.get(keys.lower(label), unknown()),
        upper=columns.get(keys.upper(label), unknown()),
    )
    rides = columns.get(keys.rides(label), unknown())
    return HourTables(rides, forecast, columns.get(keys.hour_alerts(label), unknown()))
