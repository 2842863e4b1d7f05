"""A real month of green taxis from the official file through the whole pipeline."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import redis

from rushhour import views
from rushhour.core.zones import ZONE_COUNT, ZONE_IDS
from rushhour.runtime.redis_client import connect
from rushhour.simulator.stack.redis_server import ANY_PORT, DUMP, EmbeddedRedis
from tests.fixtures.command import Finished, Rushhour

HOURS = 744
PAIRS = HOURS * ZONE_COUNT


@pytest.fixture(scope="module")
def finished(module_rushhour: Rushhour, green_file: Path) -> Finished:
    """The end of a replay of the whole month, found in a data directory."""
    return module_rushhour(
        "up", "--dataset", "green", "--data-dir", green_file.parent, "--speed", "max", "--exit"
    )


@pytest.fixture(scope="module")
def client(
    module_rushhour: Rushhour, finished: Finished, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[redis.Redis]:
    """A client of the saved run."""
    assert finished.code == 0, finished.stderr
    directory = tmp_path_factory.mktemp("d")
    shutil.copy(module_rushhour.state_dir / DUMP, directory)
    server = EmbeddedRedis(directory, ANY_PORT, saved=True)
    yield connect(server.url)
    server.stop(save=False)


def test_the_month_is_replayed_whole(finished: Finished) -> None:
    assert finished.code == 0, finished.stderr
    assert "replayed green 2024-10, green_tripdata_2024-10.parquet" in finished.words
    assert "hours closed 744 of 744" in finished.words
    assert "rides 56,140" in finished.words
    assert "7 (7 outside month)" in finished.words
    assert f"1.0 ({PAIRS:,} of {PAIRS:,} pairs scored)" in finished.words


def test_verify_finds_the_run_to_be_what_the_file_says(
    module_rushhour: Rushhour, finished: Finished
) -> None:
    assert finished.code == 0
    ended = module_rushhour("verify")
    assert (ended.code, ended.stderr) == (0, "")
    lines = ended.stdout.splitlines()
    assert [line for line in lines if not line.startswith("ok ")] == []
    assert "56,140 rides, 0 zone-hours differ" in ended.stdout


def test_every_row_of_the_file_is_accounted_for(client: redis.Redis) -> None:
    quality = client.hgetall("quality")
    assert quality == {
        "rows_read": "56147",
        "trips_usable": "56140",
        "rejected:null_time": "0",
        "rejected:outside_month": "7",
        "rejected:null_zone": "0",
        "rejected:unknown_zone": "0",
        "hours_closed": "744",
        "rides": "56140",
        "pairs_due": str(PAIRS),
        "pairs_scored": str(PAIRS),
        "overlap": "1.0",
        "alerts": "36",
    }


def test_rides_of_every_hour_and_zone_are_those_of_the_file(
    client: redis.Redis, green_file: Path
) -> None:
    columns = ["lpep_pickup_datetime", "PULocationID"]
    raw = pd.read_parquet(green_file, columns=columns)
    hour, zone = raw[columns[0]].dt.floor("h"), raw[columns[1]]
    hours = pd.date_range("2024-10-01", "2024-10-31 23:00", freq="h")
    expected = pd.crosstab(hour, zone).reindex(index=hours, columns=list(ZONE_IDS), fill_value=0)

    table = views.hourly_rides(client)
    found = table.pivot_table(index="pickup_hour", columns="pickup_location_id", values="rides")

    assert found.index.tolist() == hours.tz_localize("UTC").tolist()
    assert (found.to_numpy() == expected.to_numpy()).all()
    assert int(table["rides"].sum()) == 56_140


def test_a_span_of_four_weeks_compares_every_hour_of_every_zone(client: redis.Redis) -> None:
    table = views.comparison(client, "2024-10-02 23:00", "2024-10-30 23:00")

    assert len(table) == 673 * ZONE_COUNT
    assert table["pickup_hour"].nunique() == 673
    assert table["pickup_location_id"].nunique() == ZONE_COUNT
    assert not table.isna().to_numpy().any()
    assert np.isfinite(table["prediction_error"].mean())
    assert (table["predicted_demand"] >= 0).all()


def test_the_served_model_beats_every_baseline_once_it_is_warm(client: redis.Redis) -> None:
    span = ("2024-10-08", "2024-10-31")

    def error(model: str | None) -> float:
        table = views.comparison(client, *span, model)
        # The median is what the absolute error judges; a baseline has one prediction.
        median = table.get("predicted_median", table["predicted_demand"])
        return float((median - table["rides"]).abs().mean())

    served = error(None)
    for baseline in ("last_hour", "same_hour_yesterday", "same_hour_last_week"):
        assert served < error(baseline), baseline
    assert served < 0.74 * error("same_hour_last_week")


def test_nine_in_ten_rides_lie_within_their_interval(client: redis.Redis) -> None:
    table = views.comparison(client, "2024-10-08", "2024-10-31")
    with_rides = table.groupby("pickup_location_id")["rides"].transform("sum") > 0
    table = table[with_rides]
    assert (table["lower"] >= 0).all()
    covered = (table["lower"] <= table["rides"]) & (table["rides"] <= table["upper"])
    assert 0.88 <= covered.mean() <= 0.92


def test_alerts_are_rare_on_a_month_like_any_other(client: redis.Redis) -> None:
    alerts = views.alerts(client)
    zones = views.hourly_rides(client).query("rides > 0")["pickup_location_id"].nunique()
    assert 0 < len(alerts) < zones / 2
