"""`rushhour doctor` against the actual rides of a run."""

import json
from pathlib import Path

import pandas as pd
import pyarrow as pa

from rushhour import views
from rushhour.simulator.diagnosis.diagnose import diagnose
from rushhour.storage.runs import load_run
from tests.fixtures.command import Cli, Rushhour
from tests.fixtures.finished_run import SavedCopy


def test_predictions_of_the_run_join_with_its_rides(
    cli: Cli, after_run: Rushhour, saved_copy: SavedCopy, tmp_path: Path
) -> None:
    mine = tmp_path / "predictions.parquet"
    with saved_copy() as (url, client):
        views.predictions(client).to_parquet(mine)
        given = cli(after_run, "doctor", mine, "--redis", url)
    assert (given.code, given.stderr) == (0, ""), given.stdout
    saved = cli(after_run, "doctor", mine)
    assert (saved.code, saved.stderr) == (0, ""), saved.stdout
    assert f"actual rides the saved run in {after_run.state_dir}" in saved.words
    assert "rows that join 12,720 of 12,720" in saved.words


def test_every_model_of_the_run_is_healthy(saved_copy: SavedCopy) -> None:
    """Baselines repeat earlier hours: that is no shift."""
    with saved_copy() as (_, client):
        rides = pa.Table.from_pandas(views.hourly_rides(client))
        for name in load_run(client).models:
            mine = pa.Table.from_pandas(views.predictions(client, model=name))
            found = diagnose(mine, rides)
            assert found.is_healthy, (name, [each.summary for each in found.findings])


def test_the_next_hour_cannot_join_yet(
    cli: Cli, after_run: Rushhour, saved_copy: SavedCopy, tmp_path: Path
) -> None:
    mine = tmp_path / "next.csv"
    with saved_copy() as (_, client):
        views.predictions(client, "2024-10-02 22:00").assign(
            pickup_hour=lambda table: table["pickup_hour"] + pd.Timedelta(hours=2)
        ).to_csv(mine, index=False)
    ended = cli(after_run, "doctor", mine, "--json")
    assert ended.code == 8
    (found,) = json.loads(ended.stdout)["findings"]
    assert (found["cause"], found["rows"]) == ("beyond_last_hour", 530)
    assert found["summary"] == (
        "predictions are for 2024-10-03 00:00 to 2024-10-03 01:00, actuals end 2024-10-02 23:00"
    )
