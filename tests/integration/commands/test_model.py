"""`rushhour model save`, and runs, verifications and repetitions that begin with what it saved."""

import json
import random
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from dataflows.forecasting.state.model_file import load_model
from rushhour.core.hours import HOUR_MS
from rushhour.core.zones import ZONE_COUNT
from rushhour.simulator.commands.manifest_file import FILE
from rushhour.simulator.evaluation.offline import replay
from tests.fixtures.command import Cli, Rushhour
from tests.fixtures.finished_run import Begin
from tests.fixtures.trips import TripRow, write_trips

TUESDAY = 1_727_740_800_000  # 2024-10-01 00:00
OCTOBER = ("--dataset", "green", "--from", "2024-10-01", "--until", "2024-10-08")


@pytest.fixture(scope="module")
def trips(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A few trips of nine days."""
    draw = random.Random(9)
    rows: list[TripRow] = [
        (f"2024-10-0{day} {hour:02}:{draw.randrange(60):02}:00", zone)
        for day in range(1, 10)
        for hour in range(24)
        for zone in (1, 43, 132, 265)
        for _ in range(draw.randrange(9))
    ]
    return write_trips(tmp_path_factory.mktemp("trips") / "nine-days.parquet", rows)


@pytest.fixture(scope="module")
def first(tmp_path_factory: pytest.TempPathFactory, trips: Path) -> Iterator[Rushhour]:
    """The command after a run over the first eight days, up to the end of a Tuesday."""
    command = Rushhour(tmp_path_factory.mktemp("rushhour"))
    ended = command("up", *OCTOBER, "--data", trips, "--speed", "max", "--keep", "14d")
    assert ended.code == 0, ended.stderr
    yield command
    command.close()


def predicted(path: Path) -> list[bytes]:
    """Return what a saved model predicts of two days without rides."""
    model = load_model(path)
    rides = np.zeros((48, ZONE_COUNT), np.int64)
    arrays = replay(model.next_ts, rides, engine=model.engine)
    forecast = arrays.forecast
    found = (
        *forecast.by_model.values(),
        forecast.mean,
        forecast.lower,
        forecast.upper,
        arrays.alerts,
    )
    return [values.tobytes() for values in found]


def test_what_a_run_has_learned_is_what_an_offline_replay_learns(
    cli: Cli, after_run: Rushhour, two_days: Path, tmp_path: Path
) -> None:
    """Of a run whose rides are all in Redis: the trip file is not needed."""
    of_run, of_backtest = tmp_path / "run.npz", tmp_path / "backtest.npz"
    saved = cli(after_run, "model", "save", of_run)
    assert (saved.code, saved.stdout) == (0, "")
    assert "48 hours learned, saved to " in saved.one_line()
    assert saved.one_line().endswith("it continues on Thursday, 2024-10-03 00:00")
    flags = ("--dataset", "green", "--data", two_days, "--until", "2024-10-02")
    assert cli(after_run, "backtest", *flags, "--save", of_backtest).code == 0

    assert of_run.read_bytes() == of_backtest.read_bytes()
    (document,) = cli(after_run, "model", "show", of_run, "--json").stdout.splitlines()
    shown = json.loads(document)
    assert (shown["dataset"], shown["hours"]) == ("green", 48)
    assert shown["next_ts"] == TUESDAY + 48 * HOUR_MS
    assert "2024-10-01 00:00 to 2024-10-03 00:00" in shown["origin"]
    assert load_model(of_run).sha256 == shown["sha256"]
    assert (
        "continues on Thursday, 2024-10-03 00:00" in cli(after_run, "model", "show", of_run).words
    )


def test_a_model_is_saved_up_to_an_hour_of_a_run_under_way(
    cli: Cli, rushhour: Rushhour, begin: Begin, after_run: Rushhour, tmp_path: Path
) -> None:
    running, _ = begin("--start-at", "2024-10-01 12:00", "--paused")
    live, ended = tmp_path / "live.npz", tmp_path / "ended.npz"
    assert cli(rushhour, "model", "save", live, "--until", "2024-10-01 00:00").code == 0
    assert cli(after_run, "model", "save", ended, "--until", "2024-10-01 00:00").code == 0
    assert live.read_bytes() == ended.read_bytes()
    running.process.terminate()
    running.end()


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working directory that is empty."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    ("args", "problem"),
    [
        (("save", "m.npz", "--until", "2024-10-03 00:00"), "is not a closed hour of the run"),
        (("save", "m.npz", "--until", "2024-09-30"), "is not a closed hour of the run"),
        (("save", "none/m.npz"), "choose another FILE"),
        (("save", "m.npz", "--warm-start", "x.npz"), "x.npz is not of it"),
        (("show", "none.npz"), "none.npz: No such file"),
        (("load", "m.npz"), "model load: use `rushhour model save FILE`"),
    ],
)
def test_what_cannot_be_saved_or_shown_is_one_line(
    cli: Cli, after_run: Rushhour, here: Path, args: tuple[str, ...], problem: str
) -> None:
    refused = cli(after_run, "model", *args)
    assert refused.code == 2
    assert problem in refused.one_line()
    assert not (here / "m.npz").exists()


def test_there_is_nothing_to_save_without_a_run(
    cli: Cli, rushhour: Rushhour, tmp_path: Path
) -> None:
    refused = cli(rushhour, "model", "save", tmp_path / "m.npz")
    assert refused.code == 5
    assert "no run found" in refused.one_line()


def test_a_run_that_begins_with_a_saved_model_is_told_verified_and_repeated(
    cli: Cli, first: Rushhour, rushhour: Rushhour, trips: Path, tmp_path: Path
) -> None:
    model = tmp_path / "october.npz"
    # Redis has kept what it had to only: the trips of the file are learned.
    assert cli(first, "model", "save", model).code == 0
    span = ("--dataset", "green", "--from", "2024-10-09", "--until", "2024-10-09")
    run = ("up", *span, "--data", trips, "--speed", "max", "--exit")

    ended = rushhour(*run, "--warm-start", model)

    assert ended.code == 0, ended.stderr
    origin = load_model(model).origin
    assert "2024-10-01 00:00 to 2024-10-09 00:00 (192 hours, rushhour " in origin
    assert f"begins     with {origin}\n" in ended.stderr
    assert f"began with {origin} " in ended.words
    assert "warm start (192 hours learned)" in ended.words
    told = json.loads(cli(rushhour, "status", "--json").stdout)["run"]["warm_start"]
    sha256 = load_model(model).sha256
    assert told == {"file": str(model), "sha256": sha256, "hours": 192, "origin": origin}
    manifest = cli(rushhour, "manifest").words
    assert f"begins with {origin} {model}, sha256 {sha256}" in manifest
    verified = cli(rushhour, "verify")
    assert verified.code == 0, verified.stdout
    assert f"the run began with this saved model: {origin}" in verified.stdout

    # It continues what the first run has learned, and so does what it has learned itself.
    both, whole = tmp_path / "both.npz", tmp_path / "whole.npz"
    assert cli(rushhour, "model", "save", both).code == 0
    flags = ("--dataset", "green", "--data", trips)
    through = cli(rushhour, "backtest", *flags, "--until", "2024-10-09", "--save", whole)
    assert through.code == 0
    assert predicted(both) == predicted(whole)
    assert load_model(both).hours == load_model(whole).hours == 9 * 24

    # The same run cold, and at an hour that the model does not fit.
    cold = cli(rushhour, "backtest", *flags, *span[2:], "--json")
    warm = cli(rushhour, "backtest", *flags, *span[2:], "--json", "--warm-start", model)
    assert json.loads(cold.stdout)["warm_start"] is None
    assert json.loads(warm.stdout)["warm_start"] == origin
    assert json.loads(cold.stdout)["scores"] != json.loads(warm.stdout)["scores"]
    refused = rushhour(*run, "--from", "2024-10-09 01:00", "--warm-start", model)
    assert refused.code == 2
    assert "at the same hour of the week" in refused.one_line()

    # The file has moved.
    moved = model.rename(tmp_path / "moved.npz")
    for command in (("verify",), ("model", "save", both), ("replay", rushhour.state_dir / FILE)):
        refused = cli(rushhour, *command)
        assert refused.code == 2, command
        assert f"{model}: No such file" in refused.one_line()
        other = cli(rushhour, *command, "--warm-start", whole)
        assert other.code == 2, command
        assert "is another file" in other.one_line()
    assert cli(rushhour, "verify", "--warm-start", moved).code == 0
    replay_args = ("replay", rushhour.state_dir / FILE, "--exit", "--warm-start", moved)
    repeated = rushhour(*replay_args)
    assert repeated.code == 0, repeated.stderr
    verified = cli(rushhour, "verify")
    assert verified.code == 0, verified.stdout
    assert origin in verified.stdout
