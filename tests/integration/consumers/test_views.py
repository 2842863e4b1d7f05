"""Redis as pandas: the tables that a feature store and a monitoring page read."""

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest
import redis

from rushhour import views
from rushhour.core.errors import RedisFailure, UsageError
from rushhour.core.zones import ZONE_COUNT, ZONE_IDS
from tests.fixtures.closed_run import (
    HOUR,
    HOURS,
    START,
    expected_hours,
    lower_of,
    mean_of,
    rides_of,
    served_of,
)

View = Callable[..., pd.DataFrame]
VIEWS = (views.hourly_rides, views.predictions, views.comparison)


def test_hourly_rides_has_the_columns_of_the_feature_store(closed_run: redis.Redis) -> None:
    table = views.hourly_rides(closed_run)

    assert list(table.columns) == ["pickup_hour", "rides", "pickup_location_id", "pickup_ts"]
    assert isinstance(table["pickup_hour"].dtype, pd.DatetimeTZDtype)
    assert str(table["pickup_hour"].dtype.tz) == "UTC"
    assert [str(table[name].dtype) for name in table.columns[1:]] == ["int64"] * 3
    assert table["pickup_hour"].tolist() == expected_hours(*range(HOURS))
    assert table["pickup_location_id"].tolist() == list(ZONE_IDS) * HOURS
    assert table["rides"].tolist() == np.concatenate([rides_of(i) for i in range(HOURS)]).tolist()
    assert table["pickup_ts"].tolist() == [START + i * HOUR for i in range(HOURS) for _ in ZONE_IDS]


def test_predictions_has_the_columns_of_the_feature_store(closed_run: redis.Redis) -> None:
    table = views.predictions(closed_run)

    of_served = ["predicted_median", "lower", "upper"]
    assert list(table.columns) == [
        "pickup_location_id",
        "predicted_demand",
        "pickup_hour",
        *of_served,
    ]
    assert str(table["pickup_location_id"].dtype) == "int64"
    for name in ("predicted_demand", *of_served):
        assert str(table[name].dtype) == "float64"
    assert isinstance(table["pickup_hour"].dtype, pd.DatetimeTZDtype)
    assert table["pickup_hour"].tolist() == expected_hours(*range(HOURS))
    assert table["pickup_location_id"].tolist() == list(ZONE_IDS) * HOURS
    mean = np.concatenate([mean_of(i) for i in range(HOURS)])
    assert table["predicted_demand"].tolist() == mean.tolist()
    assert_of_served(table)


def assert_of_served(table: pd.DataFrame) -> None:
    served = np.concatenate([served_of(i) for i in range(HOURS)])
    assert table["predicted_median"].tolist() == served.tolist()
    lower = np.concatenate([lower_of(i) for i in range(HOURS)])
    upper = np.round(np.concatenate([served_of(i) + 2 for i in range(HOURS)]), 4)
    assert table["lower"].tolist() == lower.tolist()
    assert table["upper"].tolist() == upper.tolist()


def test_comparison_joins_predictions_with_rides(closed_run: redis.Redis) -> None:
    table = views.comparison(closed_run)

    assert list(table.columns) == [
        "pickup_hour",
        "pickup_location_id",
        "predicted_demand",
        "rides",
        "prediction_error",
        "predicted_median",
        "lower",
        "upper",
    ]
    types = [str(table[name].dtype) for name in table.columns[1:]]
    assert types == ["int64", "float64", "int64", *["float64"] * 4]
    assert table["pickup_hour"].tolist() == expected_hours(*range(HOURS))
    assert table["pickup_location_id"].tolist() == list(ZONE_IDS) * HOURS
    rides = np.concatenate([rides_of(i) for i in range(HOURS)])
    mean = np.concatenate([mean_of(i) for i in range(HOURS)])
    assert table["rides"].tolist() == rides.tolist()
    assert table["predicted_demand"].tolist() == mean.tolist()
    assert table["prediction_error"].tolist() == np.round(mean - rides, 4).tolist()
    assert_of_served(table)


def test_the_error_of_the_comparison_is_the_one_in_redis(closed_run: redis.Redis) -> None:
    table = views.comparison(closed_run, START, START)
    stored = closed_run.hgetall("errors:2024-10-02T23")
    assert table["prediction_error"].tolist() == [float(stored[str(zone)]) for zone in ZONE_IDS]


@pytest.mark.parametrize("view", [views.predictions, views.comparison])
def test_the_served_model_may_be_named(closed_run: redis.Redis, view: View) -> None:
    pd.testing.assert_frame_equal(view(closed_run, model="mixture"), view(closed_run))
    assert len(view(closed_run))


@pytest.mark.parametrize("view", [views.predictions, views.comparison])
def test_a_silent_model_has_an_empty_table(closed_run: redis.Redis, view: View) -> None:
    assert len(view(closed_run, model="silent")) == 0


@pytest.mark.parametrize("view", [views.predictions, views.comparison])
def test_an_unknown_model_is_refused(closed_run: redis.Redis, view: View) -> None:
    expected = "^unknown model 'last_week'; this run has mixture, silent, last_hour$"
    with pytest.raises(UsageError, match=expected):
        view(closed_run, model="last_week")


def test_alerts_are_a_table_by_hour_and_zone(closed_run: redis.Redis) -> None:
    table = views.alerts(closed_run)

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
    closed_run: redis.Redis, client: redis.Redis
) -> None:
    full = views.alerts(closed_run)
    client.delete("alerts")
    empty = views.alerts(client)

    assert len(empty) == 0
    assert empty.dtypes.to_dict() == full.dtypes.to_dict()


def test_alerts_without_a_run_are_refused(client: redis.Redis) -> None:
    with pytest.raises(RedisFailure, match="holds no run"):
        views.alerts(client)


def test_another_model_begins_with_its_first_prediction(
    closed_run: redis.Redis,
) -> None:
    predicted = views.predictions(closed_run, model="last_hour")
    compared = views.comparison(closed_run, model="last_hour")

    assert {"predicted_median", "lower", "upper"}.isdisjoint(
        [*predicted.columns, *compared.columns]
    )
    assert predicted["pickup_hour"].tolist() == expected_hours(1, 2, 3)
    before = np.concatenate([rides_of(i) for i in range(3)])
    assert predicted["predicted_demand"].tolist() == before.tolist()
    after = np.concatenate([rides_of(i) for i in range(1, 4)])
    assert compared["prediction_error"].tolist() == (before - after).tolist()


def test_a_zone_without_a_prediction_is_left_out_and_not_made_zero(closed_run: redis.Redis) -> None:
    closed_run.hset("predictions:2024-10-03T00", "132", "n/a")

    table = views.comparison(closed_run, START + HOUR, START + HOUR)

    assert len(table) == ZONE_COUNT - 1
    assert 132 not in set(table["pickup_location_id"])


@pytest.mark.parametrize("view", VIEWS)
def test_views_without_a_run_are_refused(client: redis.Redis, view: View) -> None:
    with pytest.raises(RedisFailure, match="holds no run"):
        view(client)
