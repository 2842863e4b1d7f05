"""A bounded history is the tail of an unbounded one, key for key, whenever a consumer restarts."""

import re
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest
import redis

from consumers.consumer import Consumer
from consumers.pending import HourUpdate
from rushhour import views
from rushhour.core import keys
from rushhour.core.arrays import Floats, ZoneMask
from rushhour.core.errors import UsageError
from rushhour.core.forecast import Forecast
from rushhour.core.hours import HOUR_MS, hour_label
from rushhour.core.run import RunInfo
from rushhour.core.topics import ZONE_TOPICS
from rushhour.core.zones import ZONE_COUNT
from rushhour.runtime.redis_client import write_hash
from rushhour.simulator.evaluation.live import RunReader, read_run
from rushhour.storage.hour_tables import HourTables
from rushhour.storage.runs import save_run
from tests.fixtures.closed_run import MODELS, START, forecast_of, rides_of
from tests.fixtures.redis_server import contents, fence_of

KEPT = 170  # a consumer that restarts reads the last 168 h
RUN = RunInfo(
    "id",
    "green",
    "2024-10",
    "a.parquet",
    "/a.parquet",
    START,
    START + 400 * HOUR_MS,
    models=MODELS,
    keep_hours=KEPT,
)
_HOUR_OF_KEY = re.compile(r":(\d{4}-\d\d-\d\dT\d\d)$")


def alerts_of(index: int, until: int) -> Floats:
    alerts = np.full(ZONE_COUNT, np.nan)
    if index < until and index % 3 == 0:
        alerts[[10, 131]] = 0.25 * index + 0.1, -0.5
    return alerts


def prepare(client: redis.Redis, run: RunInfo) -> None:
    client.flushall()
    save_run(client, run)
    offsets = {
        keys.offset_field(topic, partition): 0 for topic in ZONE_TOPICS for partition in (0, 1)
    }
    write_hash(client, keys.OFFSETS, offsets)


def consumers_of(client: redis.Redis, run: RunInfo) -> list[Consumer]:
    return [
        Consumer(client, fence_of(client, f"consumer-{process}"), run, process)
        for process in range(run.consumers)
    ]


def ahead_of(index: int, horizon: int) -> Forecast:
    """What is forecast for an hour of the run so many hours ahead."""
    forecast = forecast_of(index)
    median = np.round(forecast.median + 0.01 * horizon, 4)
    return Forecast(
        forecast.hour_ts,
        {MODELS[0]: median},
        np.round(median * 1.1, 4),
        np.floor(median),
        np.ceil(median) + horizon,
    )


def close(consumer: Consumer, index: int, alerts_until: int, horizons: Sequence[int] = ()) -> None:
    """Close an hour of a consumer's zones; write their first forecast for -1."""
    zones: ZoneMask = np.logical_or.reduce(list(consumer.partitions.values()))
    closed = None
    if index >= 0:
        rides, alerts = rides_of(index).astype(np.float64), alerts_of(index, alerts_until)
        closed = HourTables(
            np.where(zones, rides, np.nan),
            _of(forecast_of(index), zones),
            np.where(zones, alerts, np.nan),
        )
    ahead = {each: _of(ahead_of(index + each, each), zones) for each in horizons}
    update = HourUpdate(zones, replace(_of(forecast_of(index + 1), zones), ahead=ahead), closed)
    following = START + (index + 1) * HOUR_MS
    consumer.write(
        [update],
        {("hourly_rides", partition): index + 1 for partition in consumer.partitions},
        dict.fromkeys(consumer.partitions, following),
    )


def _of(forecast: Forecast, zones: ZoneMask) -> Forecast:
    def cut(column: Floats) -> Floats:
        return np.where(zones, column, np.nan)

    by_model = {name: cut(column) for name, column in forecast.by_model.items()}
    return replace(
        forecast, by_model=by_model, lower=cut(forecast.lower), upper=cut(forecast.upper)
    )


def close_hours(
    client: redis.Redis,
    run: RunInfo,
    hours: int,
    *,
    restart_each: int = 10_000,
    alerts_until: int = 10_000,
) -> dict[str, Any]:
    prepare(client, run)
    consumers: list[Consumer] = []
    for index in range(-1, hours):
        if index < 0 or (index > KEPT and index % restart_each == 0):
            consumers = consumers_of(client, run)
            for consumer in consumers:
                consumer.start()
        for consumer in consumers:
            close(consumer, index, alerts_until, run.horizons_ahead)
    return contents(client)


def tail(found: dict[str, Any], first_ts: int) -> dict[str, Any]:
    """Return what a run has that keeps the hours from an instant on (epoch ms)."""
    kept: dict[str, Any] = {}
    for key, value in found.items():
        match = _HOUR_OF_KEY.search(key)
        if match and match[1] < hour_label(first_ts):
            continue
        if key in {keys.CITY_HOURLY, keys.ALERTS}:
            entries = [entry for entry in value if int(entry[0].partition("-")[0]) >= first_ts]
            if entries:
                kept[key] = entries
            continue
        kept[key] = value
    return kept


@pytest.mark.parametrize("horizons", [(1,), (1, 2, 24)])
@pytest.mark.parametrize(("consumers", "restart_each", "alerts_until"), [(1, 4, 7), (2, 4, 10_000)])
def test_what_is_kept_is_the_tail_of_everything(
    client: redis.Redis,
    consumers: int,
    restart_each: int,
    alerts_until: int,
    horizons: tuple[int, ...],
) -> None:
    hours = KEPT + 12
    run = replace(RUN, consumers=consumers, horizons=horizons)
    everything = close_hours(
        client, replace(run, keep_hours=None), hours, alerts_until=alerts_until
    )

    kept = close_hours(client, run, hours, restart_each=restart_each, alerts_until=alerts_until)

    expected = tail(everything, START + 12 * HOUR_MS)
    assert kept.keys() == expected.keys()
    for key, value in expected.items():
        assert kept[key] == value, key
    assert len(kept[keys.CITY_HOURLY]) == KEPT
    assert (keys.ALERTS in kept) == (alerts_until > hours)
    assert kept[keys.QUALITY]["hours_closed"] == str(hours)
    for horizon in run.horizons_ahead:
        of_horizon = [key for key in kept if key.startswith(f"ahead:{horizon}:")]
        assert len(of_horizon) == hours + horizon - max(12, horizon - 1)
        assert float(kept[keys.horizon(horizon)]["mae_168h"]) > 0


def test_a_new_alert_follows_a_history_without_any(client: redis.Redis) -> None:
    close_hours(client, RUN, KEPT + 10, alerts_until=7)
    assert not client.exists(keys.ALERTS)
    (consumer,) = consumers_of(client, RUN)
    consumer.start()
    close(consumer, KEPT + 10, 10_000)  # which three divides
    assert client.xlen(keys.ALERTS) == 2


def test_views_have_the_kept_hours_and_say_so(client: redis.Redis) -> None:
    close_hours(client, RUN, KEPT + 2)

    table = views.hourly_rides(client)

    assert len(table) == KEPT * ZONE_COUNT
    assert table["pickup_hour"].iloc[0] == pd.Timestamp("2024-10-03 01:00", tz="UTC")
    with pytest.raises(UsageError, match="2024-10-03 00:00 is not kept any more: the first hour"):
        views.comparison(client, "2024-10-03 00:00")


def test_a_reader_forgets_what_is_not_kept(client: redis.Redis) -> None:
    run = RUN
    prepare(client, run)
    (consumer,) = consumers_of(client, run)
    reader = RunReader(client, run)
    for index in range(-1, KEPT + 12):
        close(consumer, index, 10_000)
        if index % 5 == 0:
            reader.update()
    reader.update()

    arrays = reader.arrays()

    assert (arrays.hours, arrays.hours_before) == (KEPT, 12)
    assert arrays.start_ts == START + 12 * HOUR_MS
    late = read_run(client, run)  # it has read none of them before
    assert late.start_ts == arrays.start_ts
    np.testing.assert_array_equal(late.rides, arrays.rides)
    # The warm-up of 168 h is that of the run, not of what is kept.
    assert arrays.after_warm_up().start_ts == START + 168 * HOUR_MS
