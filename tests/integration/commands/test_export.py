"""`rushhour export`: the tables of a run as Parquet, whole or not at all."""

import json
import resource
import signal
from pathlib import Path

import pandas as pd
import pyarrow.parquet as pq
import pytest
import redis

from dataflows.forecasting.forecasters import model_names
from rushhour import views
from rushhour.core import keys
from rushhour.core.errors import RedisFailure, UsageError
from rushhour.core.models import SERVED
from rushhour.core.run import RunInfo
from rushhour.simulator.export.files import ABOUT, export
from rushhour.simulator.export.tables import RUN_METADATA, Closed
from rushhour.simulator.stack.redis_server import EmbeddedRedis
from rushhour.storage.runs import load_run
from tests.fixtures.closed_run import (
    HOUR,
    HOURS,
    MODELS,
    START,
    close_hours,
    expected_hours,
)
from tests.fixtures.command import Cli, Rushhour
from tests.fixtures.finished_run import SavedCopy

FILES = ["README.txt", "alerts.parquet", "comparison.parquet", "hourly_rides.parquet",
         "predictions.parquet"]  # fmt: skip


def names(path: Path) -> list[str]:
    return sorted(each.name for each in path.iterdir())


def read(path: Path, name: str) -> pd.DataFrame:
    return pd.read_parquet(path / f"{name}.parquet")


def test_a_saved_run_is_exported(
    cli: Cli, after_run: Rushhour, saved_copy: SavedCopy, tmp_path: Path
) -> None:
    target = tmp_path / "tables"
    shown = cli(after_run, "export", target)
    assert (shown.code, shown.stderr) == (0, f"4 tables written to {target}\n")
    assert "hourly_rides.parquet 12,720 " in shown.words
    assert "48 of 48 hours, 2024-10-01 00:00 to 2024-10-03 00:00" in shown.words
    assert names(target) == FILES

    with saved_copy() as (_, client):
        for name, table in (
            ("hourly_rides", views.hourly_rides(client)),
            ("comparison", views.comparison(client)),
            ("alerts", views.alerts(client)),
        ):
            exported = read(target, name)
            assert list(exported.columns) == list(table.columns)
            pd.testing.assert_frame_equal(exported, table, check_dtype=False)
        predictions = read(target, "predictions")
        for model in model_names():
            table = views.predictions(client, "2024-10-01", "2024-10-03 00:00", model)
            mine = predictions[predictions["model"] == model].reset_index(drop=True)
            pd.testing.assert_frame_equal(mine[table.columns], table, check_dtype=False)
    assert "same_hour_last_week" not in set(predictions["model"])  # two days: it has none yet


def test_columns_have_the_types_of_the_feature_store(
    cli: Cli, after_run: Rushhour, tmp_path: Path
) -> None:
    printed = cli(after_run, "export", tmp_path / "tables", "--json")
    document = json.loads(printed.stdout)
    assert (document["hours_closed"], document["directory"]) == (48, str(tmp_path / "tables"))
    for file in document["files"]:
        path = tmp_path / "tables" / file["name"]
        assert file["bytes"] == path.stat().st_size
        assert file["rows"] == pq.read_metadata(path).num_rows
        schema = pq.read_schema(path)
        assert json.loads(schema.metadata[RUN_METADATA])["run_id"] == document["run"]["run_id"]
        types = dict(zip(schema.names, map(str, schema.types), strict=True))
        expected = {
            "pickup_hour": "timestamp[us, tz=UTC]",
            "pickup_ts": "int64",
            "pickup_location_id": "int64",
            "rides": "int64",
            "predicted_demand": "double",
            "prediction_error": "double",
            "predicted_median": "double",
            "lower": "double",
            "upper": "double",
            "direction": "string",
            "relative_change": "double",
            "model": "dictionary<values=string, indices=int32, ordered=0>",
        }
        assert types == {name: expected[name] for name in types}
    table = read(tmp_path / "tables", "hourly_rides")
    assert (table["pickup_ts"] == table["pickup_hour"].astype("int64") // 1000).all()


def test_a_reader_of_one_model_passes_over_the_others(
    closed_run: redis.Redis, tmp_path: Path
) -> None:
    export(closed_run, Closed.read(closed_run), tmp_path / "tables")
    file = pq.ParquetFile(tmp_path / "tables" / "predictions.parquet")
    assert file.num_row_groups == len(MODELS)
    assert file.metadata.row_group(1).num_rows == 0  # a model that is silent


def test_only_the_hours_that_redis_keeps_are_exported(client: redis.Redis, tmp_path: Path) -> None:
    close_hours(client, HOURS, keep_hours=2)
    target = tmp_path / "tables"
    export(client, Closed.read(client), target)
    assert list(read(target, "hourly_rides")["pickup_hour"]) == expected_hours(2, 3)
    about = (target / ABOUT).read_text("utf-8")
    assert "hours       4 of 9 closed, 2024-10-02 23:00 to 2024-10-03 03:00" in about
    assert "exported    the last 2 of them: Redis keeps no others" in about


def test_hours_that_close_meanwhile_are_left_to_the_next_export(
    client: redis.Redis, tmp_path: Path
) -> None:
    close_hours(client, 2)
    closed = Closed.read(client)
    client.flushdb()
    close_hours(client, HOURS)
    export(client, closed, tmp_path / "tables")
    last = pd.Timestamp(START + HOUR, unit="ms", tz="UTC")
    for name in ("hourly_rides", "comparison", "alerts"):
        assert read(tmp_path / "tables", name)["pickup_hour"].max() == last
    predictions = read(tmp_path / "tables", "predictions")
    assert predictions["pickup_hour"].max() == last + pd.Timedelta(hours=1)
    assert set(predictions["model"]) == {SERVED, "last_hour"}


def test_another_run_that_begins_meanwhile_leaves_no_file(
    closed_run: redis.Redis, tmp_path: Path
) -> None:
    closed = Closed.read(closed_run)
    closed_run.hset(keys.RUN, "run_id", "another")
    with pytest.raises(RedisFailure, match="another run has started"):
        export(closed_run, closed, tmp_path / "tables")
    assert names(tmp_path) == []


def test_a_disk_that_is_full_leaves_no_file(closed_run: redis.Redis, tmp_path: Path) -> None:
    closed = Closed.read(closed_run)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    ignored = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, limits[1]))
    try:
        with pytest.raises(UsageError, match="File too large: choose another directory"):
            export(closed_run, closed, tmp_path / "tables")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, ignored)
    assert names(tmp_path) == []


def test_a_run_without_a_closed_hour_has_nothing_to_export(
    cli: Cli, rushhour: Rushhour, client: redis.Redis, redis_server: EmbeddedRedis, tmp_path: Path
) -> None:
    run = RunInfo("id", "green", "2024-10", "a", "/a", START, START + HOUR, models=MODELS)
    client.hset(keys.RUN, mapping=run.to_fields())  # type: ignore[arg-type]
    assert load_run(client) == run
    ended = cli(rushhour, "export", tmp_path / "tables", "--redis", redis_server.url)
    assert ended.code == 5
    assert "no hour is closed yet" in ended.one_line()
    assert not (tmp_path / "tables").exists()


def test_the_text_names_the_run(closed_run: redis.Redis, tmp_path: Path) -> None:
    export(closed_run, Closed.read(closed_run), tmp_path / "tables")
    text = (tmp_path / "tables" / ABOUT).read_text()
    assert "green 2024-10, a.parquet" in text
    assert "4 of 9 closed, 2024-10-02 23:00 to 2024-10-03 03:00" in text
    for name in names(tmp_path / "tables"):
        assert name == ABOUT or name in text
