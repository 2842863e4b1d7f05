"""Predictions of one's own in a live run: a file, Python, and what every command shows of them."""

import json
import os
import signal
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import rushhour as library
from rushhour.core import keys
from rushhour.core.errors import RedisFailure, StackError, UsageError
from rushhour.simulator.stack.session import Session
from tests.fixtures.command import Cli, Rushhour
from tests.fixtures.finished_run import Begin, SavedCopy, hours_closed, serve_copy
from tests.fixtures.redis_server import contents

ZONES = (1, 43, 132, 265)
AHEAD = pd.date_range("2024-10-02 00:00", "2024-10-02 23:00", freq="h", tz="UTC")


def table(hours: pd.DatetimeIndex = AHEAD, demand: float = 2.0) -> pd.DataFrame:
    rows = [(zone, hour, demand) for hour in hours for zone in ZONES]
    return pd.DataFrame(rows, columns=["pickup_location_id", "pickup_hour", "predicted_demand"])


def test_submitted_predictions_are_scored_beside_those_of_the_run(
    cli: Cli,
    rushhour: Rushhour,
    begin: Begin,
    saved_copy: SavedCopy,
    tmp_path: Path,
) -> None:
    running, client = begin("--json")
    assert cli(rushhour, "pause").code == 0
    parquet, csv = tmp_path / "mine.parquet", tmp_path / "others.csv"
    table().to_parquet(parquet)
    faulty = table(demand=3.0)
    faulty["pickup_location_id"] = faulty["pickup_location_id"].replace(43, 999)
    faulty.to_csv(csv, index=False)

    taken = cli(rushhour, "submit", parquet, "--model", "mine")
    assert taken.stdout == (
        "96 of 96 predictions of mine taken: `rushhour models` scores them as their hours close\n"
    )
    again = cli(rushhour, "submit", csv, "--model", "other.1", "--json")
    assert json.loads(again.stdout) == {
        "model": "other.1",
        "sent": 96,
        "taken": 72,
        "rejected_by_reason": {"unknown_zone": 24},
    }
    refused = cli(rushhour, "dead-letters", "--json").stdout.splitlines()
    assert {json.loads(line)["reason"] for line in refused} == {"unknown_zone"}

    session = Session.load(rushhour.state_dir)
    assert session is not None
    past = (
        table(AHEAD[:1])
        .drop(columns="pickup_hour")
        .assign(pickup_ts=int(AHEAD[0].timestamp() * 1000) - 24 * 3_600_000)
    )
    address = {"kafka": session.kafka, "redis_url": session.redis_url}
    late = library.submit(past, model="mine", **address)
    assert (late.sent, late.taken, late.rejected) == (4, 0, {"late": 4})
    twice = library.submit(table(AHEAD[-1:]), model="mine", **address)
    assert (twice.taken, twice.rejected) == (0, {"twice": 4})
    with pytest.raises(UsageError, match="lack pickup_location_id: they have zone"):
        library.submit(table().rename(columns={"pickup_location_id": "zone"}), model="m", **address)
    with pytest.raises(UsageError, match="model 'a:b' is no name"):
        library.submit(table(), model="a:b", **address)

    assert hours_closed(client) < 24
    assert cli(rushhour, "speed", "max").code == cli(rushhour, "resume").code == 0
    ended = running.end()
    assert ended.code == 0, ended.stderr
    by_model = {each["name"]: each for each in json.loads(ended.stdout)["scores"]["by_model"]}
    assert (by_model["mine"]["pairs"], by_model["other.1"]["pairs"]) == (96, 72)

    check_commands(cli, rushhour, by_model["mine"]["mae"])
    (tmp_path / "copy").mkdir()
    with serve_copy(rushhour.state_dir, tmp_path / "copy") as (url, saved), saved_copy() as (_, un):
        check_keys(contents(saved), contents(un))
        assert cli(rushhour, "verify", "--redis", url).code == 0
        for key, field, value in (
            (keys.submitted_model("ghost"), "taken", "1"),
            (keys.submitted_predictions("mine", "2024-10-02T03"), "43", "9.0"),
            (keys.submitted_model("mine"), "mae_24h", "2.0"),
        ):
            before = saved.hget(key, field)
            saved.hset(key, field, value)
            assert cli(rushhour, "verify", "--redis", url).code == 7, key
            if before is None:
                saved.hdel(key, field)
            else:
                saved.hset(key, field, str(before))
        with pytest.raises(RedisFailure, match="is finished: nothing is taken any more"):
            library.submit(table(), model="mine", kafka=session.kafka, redis_url=url)


def check_commands(cli: Cli, rushhour: Rushhour, mae: float) -> None:
    """Check what the commands show of the finished run; `mae` is that of the report."""
    verified = cli(rushhour, "verify")
    assert verified.code == 0, verified.stdout
    assert "models of users show their scores: 28 fields compared, 0 differ" in verified.stdout
    models = {each["model"]: each for each in shown(cli, rushhour)}
    compared = pd.DataFrame(
        map(json.loads, cli(rushhour, "compare", "--model", "mine", "--json").stdout.splitlines())
    )
    errors = compared["prediction_error"]
    assert len(compared) == 96
    assert (compared["predicted_demand"] == 2.0).all()
    assert models["mine"]["is_submitted"]
    assert models["mine"]["mae_24h"] == round(errors.abs().mean(), 4) == round(mae, 4)
    assert models["mine"]["rmse_168h"] == round(float(np.sqrt((errors**2).mean())), 4)
    assert models["mine"]["bias_24h"] == round(errors.mean(), 4)
    assert "mine (submitted)" in cli(rushhour, "models").stdout
    assert cli(rushhour, "compare", "--model", "mine").code == 0
    assert "unknown model 'nobody'" in cli(rushhour, "compare", "--model", "nobody").one_line()


def check_keys(found: dict[str, object], without: dict[str, object]) -> None:
    """Check that all keys but those of submissions are those of a run without them."""
    own = {key for key in found if ":submitted:" in key}
    assert len(own) == 2 + 2 * len(AHEAD)
    quality = found["quality"]
    assert isinstance(quality, dict)
    counts = {key: quality.pop(key) for key in list(quality) if "submissions" in key}
    assert counts == {
        keys.rejected_submissions_field("unknown_zone"): "24",
        keys.rejected_submissions_field("late"): "4",
        keys.rejected_submissions_field("twice"): "4",
    }
    assert {key: value for key, value in found.items() if key not in own} == without


def shown(cli: Cli, rushhour: Rushhour) -> list[dict[str, object]]:
    models: list[dict[str, object]] = json.loads(cli(rushhour, "models", "--json").stdout)["models"]
    return models


def test_a_file_that_is_no_table_is_refused_in_a_line(
    cli: Cli, rushhour: Rushhour, tmp_path: Path
) -> None:
    broken = tmp_path / "a.parquet"
    broken.write_bytes(b"no parquet")
    for file, code, what in (
        (broken, 3, "cannot be read as parquet"),
        (tmp_path / "none.csv", 3, "No such file"),
        (tmp_path / "a.txt", 2, "predictions are read from .parquet and .csv files"),
    ):
        ended = cli(rushhour, "submit", file, "--model", "mine")
        assert ended.code == code
        assert what in ended.one_line()
    table().to_csv(tmp_path / "a.csv")
    ended = cli(rushhour, "submit", tmp_path / "a.csv", "--model", "mine")
    assert (ended.code, "no run is live" in ended.one_line()) == (5, True)


def test_a_run_that_judges_nothing_is_an_error(
    rushhour: Rushhour, begin: Begin, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first consumer is frozen: what was sent stays on the topic."""

    begin()
    session = Session.load(rushhour.state_dir)
    assert session is not None
    monkeypatch.setattr("rushhour.submissions._JUDGE_S", 0.5)
    (consumer,) = [pid for pid, line in rushhour.processes().items() if line == "consumer"]
    os.kill(consumer, signal.SIGSTOP)
    try:
        with pytest.raises(StackError, match="96 predictions are on the topic 'submissions'"):
            library.submit(table(), model="m", kafka=session.kafka, redis_url=session.redis_url)
    finally:
        os.kill(consumer, signal.SIGCONT)
