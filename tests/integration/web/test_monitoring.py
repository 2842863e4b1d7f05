"""`/api/monitoring`: the figures that Redis holds, from its tables, each hour read once."""

from collections.abc import Iterator
from typing import Any, cast

import pytest
import redis

from dataflows.forecasting.forecasters import model_names
from rushhour.core import keys
from rushhour.core.models import SERVED
from rushhour.runtime.redis_client import read_hash
from rushhour.simulator.run_view import number
from rushhour.simulator.web.monitoring.monitor import Monitor
from rushhour.storage import submissions
from tests.fixtures.closed_run import (
    HOUR,
    HOURS,
    MODELS,
    START,
    ClosingRun,
    close_hours,
)
from tests.fixtures.finished_run import SavedCopy


@pytest.fixture
def finished(saved_copy: SavedCopy) -> Iterator[redis.Redis]:
    with saved_copy() as (_, client):
        yield client


def test_scores_are_those_that_redis_holds(finished: redis.Redis) -> None:
    found = Monitor().read(finished, "24h")
    assert (found["hours"], found["hours_missing"], len(found["pickup_ts"])) == (24, 0, 24)
    assert [each["name"] for each in found["models"]] == list(model_names())
    for each in found["models"]:
        fields = read_hash(finished, keys.model(each["name"]))
        assert each["rolling_mae"][-1] == number(fields["mae_24h"]), each["name"]
        assert each["mae"] == number(fields["mae_24h"])
        assert each["skill"] == number(fields["skill_24h"])
    kinds = {each["name"]: each["kind"] for each in found["models"]}
    assert (kinds[SERVED], kinds["last_hour"]) == ("served", "baseline")
    board = cast(Any, finished.zrevrange(keys.BOARD_MAE, 0, 9, withscores=True))
    assert [row["mae"] for row in found["worst_zones"]] == [mae for _, mae in board]
    week = Monitor().read(finished, "7d")
    coverage = read_hash(finished, keys.COVERAGE)
    assert {row["band"]: row["coverage"] for row in week["bands"]} == {
        band: number(share) for band, share in coverage.items()
    }
    assert week["quality"]["overlap"] == 1.0
    assert week["quality"]["rejected_rows"]["null_time"] == 1
    assert week["city"]["pickup_ts"] == week["pickup_ts"]
    assert week["alerts"] == [] or week["alerts"][0]["name"]


def test_an_hour_is_read_once(client: redis.Redis) -> None:
    close_hours(client, HOURS)
    monitor = Monitor()
    first = monitor.read(client, "all")
    client.delete(*cast(Any, client.keys("*:2024-10-0?T??")))  # they are needed no more
    assert monitor.read(client, "all") is first
    again = monitor.read(client, "7d")
    assert again["models"] == first["models"]
    assert again["by_borough"] == first["by_borough"]


def test_the_newest_hours_are_read_first(client: redis.Redis) -> None:
    close_hours(client, HOURS)
    monitor = Monitor(hours_at_once=3)
    found = monitor.read(client, "all")
    assert (found["hours"], found["hours_missing"]) == (4, 1)
    assert found["models"][0]["rolling_mae"][0] is None
    assert found["models"][0]["rolling_mae"][-1] is not None
    whole = monitor.read(client, "all")
    assert whole["hours_missing"] == 0
    assert whole["models"] == Monitor().read(client, "all")["models"]


def test_hours_that_are_not_kept_are_neither_missing_nor_remembered(client: redis.Redis) -> None:
    run, monitor = ClosingRun(client, keep_hours=2), Monitor()
    for hours in (1, 2, 2, 2):
        run.close_hour()
        found = monitor.read(client, "all")
        assert (found["hours"], found["hours_missing"]) == (hours, 0)
        assert found["pickup_ts"] == found["city"]["pickup_ts"]
    afresh = Monitor()
    assert afresh.read(client, "all")["models"] == found["models"]
    assert monitor.zones() == afresh.zones()


def test_another_run_begins_anew(client: redis.Redis) -> None:
    close_hours(client, HOURS)
    monitor = Monitor()
    assert monitor.read(client, "all")["hours"] == HOURS
    client.flushdb()
    close_hours(client, 1)
    client.hset(keys.RUN, "run_id", "another")
    found = monitor.read(client, "all")
    assert (found["run_id"], found["hours"], found["pickup_ts"]) == ("another", 1, [START])


def test_alerts_of_the_window_are_named(client: redis.Redis) -> None:
    close_hours(client, HOURS)
    found = Monitor().read(client, "24h")["alerts"]
    assert [(row["pickup_ts"], row["zone"]) for row in found] == [
        (START + 3 * HOUR, 132), (START + 3 * HOUR, 11),
        (START + HOUR, 132), (START + HOUR, 11),
    ]  # fmt: skip
    assert (found[0]["name"], found[0]["direction"]) == ("JFK Airport", "below")


def test_models_of_users_are_scored_once_their_hours_are(client: redis.Redis) -> None:
    close_hours(client, HOURS)
    client.hset(keys.SUBMISSIONS, submissions.MODELS, "mine")
    client.hset(keys.SUBMISSIONS, submissions.SCORED, START)
    for label in ("2024-10-02T23", "2024-10-03T00"):
        rides = read_hash(client, keys.rides(label))
        client.hset(keys.submitted_predictions("mine", label), "132", float(rides["132"]) + 2)
    monitor = Monitor()
    mine = monitor.read(client, "all")["models"][-1]
    assert (mine["name"], mine["kind"], mine["mae"], mine["pairs"]) == ("mine", "submitted", 2.0, 1)
    client.hset(keys.SUBMISSIONS, submissions.SCORED, START + HOUR)
    mine = monitor.read(client, "all")["models"][-1]
    assert (mine["mae"], mine["pairs"]) == (2.0, 2)
    assert mine["rolling_mae"] == [2.0, 2.0, 2.0, 2.0]


def test_a_run_without_a_closed_hour_has_no_scores(client: redis.Redis) -> None:
    close_hours(client, 0)
    found = Monitor().read(client, "7d")
    assert (found["hours"], found["served"], found["alerts"]) == (0, None, [])
    assert [each["mae"] for each in found["models"]] == [None] * len(MODELS)
