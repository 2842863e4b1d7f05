"""Which hours a view selects, and what it accepts as an hour."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import numpy as np
import pandas as pd
import pytest
import redis

from rushhour import views
from rushhour.core.errors import RedisFailure, UsageError
from tests.fixtures.closed_run import (
    HOUR,
    HOURS,
    START,
    close_hours,
    expected_hours,
    mean_of,
    start_run,
)

View = Callable[..., pd.DataFrame]
VIEWS = (views.hourly_rides, views.predictions, views.comparison)


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
    closed_run: redis.Redis,
    view: View,
    first: str | int | None,
    last: str | int | None,
    indexes: list[int],
) -> None:
    table = view(closed_run, first, last)
    assert table["pickup_hour"].tolist() == expected_hours(*indexes)


@pytest.mark.parametrize("until", [None, START + HOURS * HOUR])
def test_the_next_hour_has_its_prediction(closed_run: redis.Redis, until: int | None) -> None:
    table = views.predictions(closed_run, START + HOURS * HOUR, until)

    assert table["pickup_hour"].tolist() == expected_hours(HOURS)
    assert table["predicted_demand"].tolist() == mean_of(HOURS).tolist()


def test_an_hour_is_not_compared_before_it_is_closed(closed_run: redis.Redis) -> None:
    assert len(views.comparison(closed_run, START + HOURS * HOUR, START + 8 * HOUR)) == 0


@pytest.mark.parametrize("view", VIEWS)
def test_a_span_without_data_gives_an_empty_table_of_the_same_shape(
    closed_run: redis.Redis, view: View
) -> None:
    empty, full = view(closed_run, "2024-10-20", "2024-10-21"), view(closed_run)

    assert len(empty) == 0
    assert list(empty.columns) == list(full.columns)
    assert [str(dtype) for dtype in empty.dtypes] == [str(dtype) for dtype in full.dtypes]


@pytest.mark.parametrize("view", VIEWS)
def test_a_span_that_ends_before_it_begins_is_refused(closed_run: redis.Redis, view: View) -> None:
    with pytest.raises(UsageError, match=r"^from 2024-10-03T02 is after until 2024-10-03T01$"):
        view(closed_run, "2024-10-03 02:00", "2024-10-03 01:00")


@pytest.mark.parametrize("text", ["yesterday", "2024-10-03 01:30", "2024-13-01", ""])
@pytest.mark.parametrize("side", [0, 1], ids=["from", "until"])
def test_text_that_is_not_an_hour_is_refused(closed_run: redis.Redis, text: str, side: int) -> None:
    span = (text, None) if side == 0 else (None, text)
    with pytest.raises(UsageError, match="hour"):
        views.comparison(closed_run, *span)


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
    assert table["predicted_demand"].tolist() == mean_of(0).tolist()
    with pytest.raises(RedisFailure, match="no hour is closed yet"):
        views.comparison(client, START)


@pytest.mark.parametrize("view", [views.hourly_rides, views.comparison])
def test_an_open_hour_without_an_end_is_refused(closed_run: redis.Redis, view: View) -> None:
    expected = "^hour 2024-10-03 03:00 is not closed yet: the last closed hour is 2024-10-03 02:00$"
    with pytest.raises(UsageError, match=expected):
        view(closed_run, START + HOURS * HOUR)


def test_an_hour_after_the_next_is_not_predicted_yet(closed_run: redis.Redis) -> None:
    expected = "^hour 2024-10-03 04:00 is not predicted yet: the next hour is 2024-10-03 03:00$"
    with pytest.raises(UsageError, match=expected):
        views.predictions(closed_run, START + (HOURS + 1) * HOUR)


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
def test_an_hour_is_a_datetime_or_an_int(closed_run: redis.Redis, view: View, hour: Any) -> None:
    assert view(closed_run, hour, hour)["pickup_hour"].tolist() == expected_hours(2)


@pytest.mark.parametrize("view", VIEWS)
def test_an_hour_of_a_view_selects_itself(closed_run: redis.Redis, view: View) -> None:
    hour = view(closed_run)["pickup_hour"].iloc[-1]
    assert view(closed_run, hour, hour)["pickup_hour"].tolist() == expected_hours(HOURS - 1)


@pytest.mark.parametrize("view", VIEWS)
def test_epoch_seconds_are_refused(closed_run: redis.Redis, view: View) -> None:
    expected = "^1727910000 lies in 1970 .*: is this epoch seconds\\? Pass 1727910000000$"
    with pytest.raises(UsageError, match=expected):
        view(closed_run, START // 1000, (START + HOUR) // 1000)


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
        (START * 1000, "is not an hour of 2009 to 2261"),
        (0, "is not an hour of 2009 to 2261"),
    ],
)
@pytest.mark.parametrize("side", [0, 1], ids=["from", "until"])
def test_what_is_not_an_hour_is_refused(
    closed_run: redis.Redis, hour: Any, expected: str, side: int
) -> None:
    with pytest.raises(UsageError, match=expected):
        views.comparison(closed_run, *((hour, None) if side == 0 else (None, hour)))
