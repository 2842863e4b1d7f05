"""Redis as pandas: the tables that a feature store and a monitoring page read."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import numpy as np
import pandas as pd
import pytest
import redis

from consumers.consumer import Consumer
from consumers.pending import HourUpdate
from rushhour import views
from rushhour.core import keys
from rushhour.core.errors import RedisFailure, UsageError
from rushhour.core.forecast import Forecast
from rushhour.core.run import RunInfo
from rushhour.core.topics import ZONE_TOPICS
from rushhour.core.zones import ZONE_COUNT, ZONE_IDS
from rushhour.storage.columns import all_zones
from rushhour.storage.hour_tables import HourTables
from rushhour.storage.runs import save_run

START = 1_727_910_000_000  # 2024-10-02 23:00
HOUR = 3_600_000
HOURS = 4
View = Callable[..., pd.DataFrame]
VIEWS = (views.hourly_rides, views.predictions, views.comparison)
MODELS = ("mixture", "silent", "last_hour")


def rides_of(index: int) -> "np.ndarray[tuple[int], np.dtype[np.int64]]":
    return (np.arange(ZONE_COUNT) * 7 + index * 3) % 11


def served_of(index: int) -> "np.ndarray[tuple[int], np.dtype[np.float64]]":
    return np.round(rides_of(index) * 0.7 + 0.1234 * index, 4)


def forecast_of(index: int) -> Forecast:
    before = rides_of(index - 1).astype(float) if index else np.full(ZONE_COUNT, np.nan)
    silent = np.full(ZONE_COUNT, np.nan)
    return Forecast(
        START + index * HOUR,
        {"mixture": served_of(index), "silent": silent, "last_hour": before},
        lower=lower_of(index),
        upper=served_of(index) + 2,
    )


def lower_of(index: int) -> "np.ndarray[tuple[int], np.dtype[np.float64]]":
    return np.floor(served_of(index) * 0.5)


def alerts_of(index: int) -> "np.ndarray[tuple[int], np.dtype[np.float64]]":
    """Two zones have an alert in every second hour."""
    alerts = np.full(ZONE_COUNT, np.nan)
    if index % 2:
        alerts[[10, 131]] = 0.25 * index, -0.5
    return alerts


def start_run(client: redis.Redis) -> RunInfo:
    end = START + 9 * HOUR
    run = RunInfo("id", "green", "2024-10", "a.parquet", "/a.parquet", START, end, models=MODELS)
    save_run(client, run)
    return run


@pytest.fixture
def run(client: redis.Redis) -> redis.Redis:
    """A run with four closed hours, from 2024-10-02 23:00 on, and a forecast for the fifth."""
    close_hours(client, HOURS)
    return client


def close_hours(client: redis.Redis, count: int) -> None:
    """Start a run and close its first hours; Redis then has the forecast for the next."""
    run = start_run(client)
    client.hset(keys.OFFSETS, mapping={keys.offset_field(topic, 0): 0 for topic in ZONE_TOPICS})
    consumer = Consumer(client, run, 0)
    for index in range(-1, count):
        closed = None
        if index >= 0:
            rides = rides_of(index).astype(np.float64)
            closed = HourTables(rides, forecast_of(index), alerts_of(index))
        update = HourUpdate(all_zones(), forecast_of(index + 1), closed)
        consumer.write([update], {("hourly_rides", 0): 1}, {0: START + (index + 1) * HOUR})


def expected_hours(*indexes: int) -> list[pd.Timestamp]:
    return [
        pd.Timestamp(START + index * HOUR, unit="ms", tz="UTC")
        for index in indexes
        for _ in ZONE_IDS
    ]


def test_hourly_rides_has_the_columns_of_the_feature_store(run: redis.Redis) -> None:
    table = views.hourly_rides(run)

    assert list(table.columns) == ["pickup_hour", "rides", "pickup_location_id", "pickup_ts"]
    assert isinstance(table["pickup_hour"].dtype, pd.DatetimeTZDtype)
    assert str(table["pickup_hour"].dtype.tz) == "UTC"
    assert [str(table[name].dtype) for name in table.columns[1:]] == ["int64"] * 3
    assert table["pickup_hour"].tolist() == expected_hours(*range(HOURS))
    assert table["pickup_location_id"].tolist() == list(ZONE_IDS) * HOURS
    assert table["rides"].tolist() == np.concatenate([rides_of(i) for i in range(HOURS)]).tolist()
    assert table["pickup_ts"].tolist() == [START + i * HOUR for i in range(HOURS) for _ in ZONE_IDS]


def test_predictions_has_the_columns_of_the_feature_store(run: redis.Redis) -> None:
    table = views.predictions(run)

    columns = ["pickup_location_id", "predicted_demand", "pickup_hour", "lower", "upper"]
    assert list(table.columns) == columns
    assert str(table["pickup_location_id"].dtype) == "int64"
    for name in ("predicted_demand", "lower", "upper"):
        assert str(table[name].dtype) == "float64"
    assert isinstance(table["pickup_hour"].dtype, pd.DatetimeTZDtype)
    assert table["pickup_hour"].tolist() == expected_hours(*range(HOURS))
    assert table["pickup_location_id"].tolist() == list(ZONE_IDS) * HOURS
    served = np.concatenate([served_of(i) for i in range(HOURS)])
    assert table["predicted_demand"].tolist() == served.tolist()
    assert_intervals(table)


def assert_intervals(table: pd.DataFrame) -> None:
    lower = np.concatenate([lower_of(i) for i in range(HOURS)])
    upper = np.round(np.concatenate([served_of(i) + 2 for i in range(HOURS)]), 4)
    assert table["lower"].tolist() == lower.tolist()
    assert table["upper"].tolist() == upper.tolist()


def test_comparison_joins_predictions_with_rides(run: redis.Redis) -> None:
    table = views.comparison(run)

    assert list(table.columns) == [
        "pickup_hour",
        "pickup_location_id",
        "predicted_demand",
        "rides",
        "prediction_error",
        "lower",
        "upper",
    ]
    types = [str(table[name].dtype) for name in table.columns[1:]]
    assert types == ["int64", "float64", "int64", "float64", "float64", "float64"]
    assert table["pickup_hour"].tolist() == expected_hours(*range(HOURS))
    assert table["pickup_location_id"].tolist() == list(ZONE_IDS) * HOURS
    rides = np.concatenate([rides_of(i) for i in range(HOURS)])
    served = np.concatenate([served_of(i) for i in range(HOURS)])
    assert table["rides"].tolist() == rides.tolist()
    assert table["predicted_demand"].tolist() == served.tolist()
    assert table["prediction_error"].tolist() == np.round(served - rides, 4).tolist()
    assert_intervals(table)


def test_the_error_of_the_comparison_is_the_one_in_redis(run: redis.Redis) -> None:
    table = views.comparison(run, START, START)
    stored = run.hgetall("errors:2024-10-02T23")
    assert table["prediction_error"].tolist() == [float(stored[str(zone)]) for zone in ZONE_IDS]


@pytest.mark.parametrize(
    ("first", "last", "indexes"),
    [
        ("2024-10-02 23:00", "2024-10-03 01:00", [0, 1, 2]),
        ("2024-10-02T23", "2024-10-02T23", [0]),
        ("2024-10-03", "2024-10-03 00:00", [1]),
        ("2024-10-02", "2024-10-02", [0]),
        ("2024-10-02", "2024-10-03", [0, 1, 2, 3]),
        (START + HOUR, START + 2 * HOUR, [1, 2]),
        (START + 3 * HOUR, None, [3]),
        (None, START, [0]),
        ("2024-10-03 02:00", None, [3]),
        ("2024-10-01", "2024-10-31", [0, 1, 2, 3]),
    ],
)
@pytest.mark.parametrize("view", [views.hourly_rides, views.comparison])
def test_both_ends_of_a_span_are_included(
    run: redis.Redis,
    view: View,
    first: str | int | None,
    last: str | int | None,
    indexes: list[int],
) -> None:
    table = view(run, first, last)
    assert table["pickup_hour"].tolist() == expected_hours(*indexes)


@pytest.mark.parametrize("until", [None, START + HOURS * HOUR])
def test_the_next_hour_has_its_prediction(run: redis.Redis, until: int | None) -> None:
    table = views.predictions(run, START + HOURS * HOUR, until)

    assert table["pickup_hour"].tolist() == expected_hours(HOURS)
    assert table["predicted_demand"].tolist() == served_of(HOURS).tolist()


def test_an_hour_is_not_compared_before_it_is_closed(run: redis.Redis) -> None:
    assert len(views.comparison(run, START + HOURS * HOUR, START + 8 * HOUR)) == 0


@pytest.mark.parametrize("view", VIEWS)
def test_a_span_without_data_gives_an_empty_table_of_the_same_shape(
    run: redis.Redis, view: View
) -> None:
    empty, full = view(run, "2024-10-20", "2024-10-21"), view(run)

    assert len(empty) == 0
    assert list(empty.columns) == list(full.columns)
    assert [str(dtype) for dtype in empty.dtypes] == [str(dtype) for dtype in full.dtypes]


@pytest.mark.parametrize("view", [views.predictions, views.comparison])
def test_the_served_model_may_be_named(run: redis.Redis, view: View) -> None:
    pd.testing.assert_frame_equal(view(run, model="mixture"), view(run))
    assert len(view(run))


@pytest.mark.parametrize("view", [views.predictions, views.comparison])
def test_a_model_without_predictions_has_an_empty_table(run: redis.Redis, view: View) -> None:
    assert len(view(run, model="silent")) == 0


@pytest.mark.parametrize("view", [views.predictions, views.comparison])
def test_an_unknown_model_is_refused(run: redis.Redis, view: View) -> None:
    expected = "^unknown model 'last_week'; this run has mixture, silent, last_hour$"
    with pytest.raises(UsageError, match=expected):
        view(run, model="last_week")


def test_alerts_are_a_table_by_hour_and_zone(run: redis.Redis) -> None:
    table = views.alerts(run)

    assert list(table.columns) == [
        "pickup_hour",
        "pickup_location_id",
        "direction",
        "relative_change",
    ]
    assert isinstance(table["pickup_hour"].dtype, pd.DatetimeTZDtype)
    types = [str(table[name].dtype) for name in table.columns[1:]]
    assert types == ["int64", "object", "float64"]
    hours = [START + index * HOUR for index in (1, 1, 3, 3)]
    assert table["pickup_hour"].tolist() == [pd.Timestamp(ts, unit="ms", tz="UTC") for ts in hours]
    assert table["pickup_location_id"].tolist() == [11, 132, 11, 132]
    assert table["direction"].tolist() == ["above", "below"] * 2
    assert table["relative_change"].tolist() == [0.25, -0.5, 0.75, -0.5]


def test_no_alerts_are_an_empty_table_of_the_same_shape(
    run: redis.Redis, client: redis.Redis
) -> None:
    full = views.alerts(run)
    client.delete("alerts")
    empty = views.alerts(client)

    assert len(empty) == 0
    assert empty.dtypes.to_dict() == full.dtypes.to_dict()


def test_alerts_without_a_run_are_refused(client: redis.Redis) -> None:
    with pytest.raises(RedisFailure, match="holds no run"):
        views.alerts(client)


def test_another_model_has_predictions_from_its_first_known_hour_on(run: redis.Redis) -> None:
    predicted = views.predictions(run, model="last_hour")
    compared = views.comparison(run, model="last_hour")

    assert {"lower", "upper"}.isdisjoint([*predicted.columns, *compared.columns])
    assert predicted["pickup_hour"].tolist() == expected_hours(1, 2, 3)
    before = np.concatenate([rides_of(i) for i in range(3)])
    assert predicted["predicted_demand"].tolist() == before.tolist()
    after = np.concatenate([rides_of(i) for i in range(1, 4)])
    assert compared["prediction_error"].tolist() == (before - after).tolist()


def test_a_zone_without_a_prediction_is_left_out_and_not_made_zero(run: redis.Redis) -> None:
    run.hset("predictions:2024-10-03T00", "132", "n/a")

    table = views.comparison(run, START + HOUR, START + HOUR)

    assert len(table) == ZONE_COUNT - 1
    assert 132 not in set(table["pickup_location_id"])


@pytest.mark.parametrize("view", VIEWS)
def test_a_span_that_ends_before_it_begins_is_refused(run: redis.Redis, view: View) -> None:
    with pytest.raises(UsageError, match=r"^from 2024-10-03T02 is after until 2024-10-03T01$"):
        view(run, "2024-10-03 02:00", "2024-10-03 01:00")


@pytest.mark.parametrize("text", ["yesterday", "2024-10-03 01:30", "2024-13-01", ""])
@pytest.mark.parametrize("side", [0, 1], ids=["from", "until"])
def test_text_that_is_not_an_hour_is_refused(run: redis.Redis, text: str, side: int) -> None:
    span = (text, None) if side == 0 else (None, text)
    with pytest.raises(UsageError, match="hour"):
        views.comparison(run, *span)


@pytest.mark.parametrize("view", VIEWS)
def test_views_without_a_run_are_refused(client: redis.Redis, view: View) -> None:
    with pytest.raises(RedisFailure, match="holds no run"):
        view(client)


@pytest.mark.parametrize("view", VIEWS)
def test_views_before_the_first_closed_hour_are_refused(client: redis.Redis, view: View) -> None:
    start_run(client)
    with pytest.raises(RedisFailure, match="no hour is closed yet"):
        view(client)


def test_the_first_hour_is_predicted_before_any_hour_is_closed(
    client: redis.Redis,
) -> None:
    close_hours(client, 0)
    table = views.predictions(client, START)
    assert table["pickup_hour"].tolist() == expected_hours(0)
    assert table["predicted_demand"].tolist() == served_of(0).tolist()
    with pytest.raises(RedisFailure, match="no hour is closed yet"):
        views.comparison(client, START)


@pytest.mark.parametrize("view", [views.hourly_rides, views.comparison])
def test_an_hour_that_is_not_closed_is_refused_without_an_end(run: redis.Redis, view: View) -> None:
    expected = "^hour 2024-10-03 03:00 is not closed yet: the last closed hour is 2024-10-03 02:00$"
    with pytest.raises(UsageError, match=expected):
        view(run, START + HOURS * HOUR)


def test_an_hour_after_the_next_is_not_predicted_yet(run: redis.Redis) -> None:
    expected = "^hour 2024-10-03 04:00 is not predicted yet: the next hour is 2024-10-03 03:00$"
    with pytest.raises(UsageError, match=expected):
        views.predictions(run, START + (HOURS + 1) * HOUR)


NAIVE = datetime(2024, 10, 3, 1)  # noqa: DTZ001 - without a zone, on purpose
NEW_YORK = timezone(timedelta(hours=-4))


@pytest.mark.parametrize(
    "hour",
    [
        NAIVE,
        NAIVE.replace(tzinfo=UTC),
        datetime(2024, 10, 2, 21, tzinfo=NEW_YORK),
        pd.Timestamp("2024-10-03 01:00"),
        pd.Timestamp("2024-10-03 01:00", tz="UTC"),
        pd.Timestamp("2024-10-02 21:00", tz="America/New_York"),
        START + 2 * HOUR,
        np.int64(START + 2 * HOUR),
    ],
)
@pytest.mark.parametrize("view", VIEWS)
def test_an_hour_may_be_a_datetime_or_an_int(run: redis.Redis, view: View, hour: Any) -> None:
    assert view(run, hour, hour)["pickup_hour"].tolist() == expected_hours(2)


@pytest.mark.parametrize("view", VIEWS)
def test_an_hour_of_a_view_selects_itself(run: redis.Redis, view: View) -> None:
    hour = view(run)["pickup_hour"].iloc[-1]
    assert view(run, hour, hour)["pickup_hour"].tolist() == expected_hours(HOURS - 1)


@pytest.mark.parametrize("view", VIEWS)
def test_epoch_seconds_are_refused(run: redis.Redis, view: View) -> None:
    expected = "^1727910000 lies in 1970 .*: is this epoch seconds\\? Pass 1727910000000$"
    with pytest.raises(UsageError, match=expected):
        view(run, START // 1000, (START + HOUR) // 1000)


@pytest.mark.parametrize(
    ("hour", "expected"),
    [
        (START + 1, "is not the start of an hour"),
        (NAIVE.replace(minute=30), "is not the start of an hour"),
        (pd.Timestamp("2024-10-03 01:00:00.000000001"), "is not the start of an hour"),
        (
            datetime(2024, 10, 3, 1, tzinfo=timezone(timedelta(hours=5, minutes=30))),
            "not the start",
        ),
        (pd.NaT, "NaT is not an hour"),
        (True, "True is not an hour"),
        (1.5, "1.5 is not an hour"),
        (START * 1000, "is not an hour of 2009 to 2099"),
        (0, "is not an hour of 2009 to 2099"),
    ],
)
@pytest.mark.parametrize("side", [0, 1], ids=["from", "until"])
def test_what_is_not_an_hour_is_refused(
    run: redis.Redis, hour: Any, expected: str, side: int
) -> None:
    with pytest.raises(UsageError, match=expected):
        views.comparison(run, *((hour, None) if side == 0 else (None, hour)))
