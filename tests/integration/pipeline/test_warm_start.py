"""A run that begins with a saved model: the same through kills, verified from that model only."""

import signal
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from dataflows.forecasting.engine import ForecastEngine
from dataflows.forecasting.state.model_file import Learned, encode_model, load_model
from rushhour.core import keys
from rushhour.core.clock import Command
from rushhour.core.errors import UsageError
from rushhour.core.hours import HOUR_MS, HOURS_PER_WEEK
from rushhour.core.zones import ZONE_COUNT, ZONE_IDS
from rushhour.runtime.failpoints import VARIABLE
from rushhour.simulator.evaluation.offline import replay
from rushhour.simulator.evaluation.verification.expected import texts
from rushhour.simulator.evaluation.verify import verify
from rushhour.simulator.stack.process_specs import process_specs, start_process
from rushhour.simulator.stack.stack import Stack
from rushhour.storage.commands import send
from rushhour.storage.runs import load_run
from tests.fixtures.pipeline import TWO_DAYS, PipelineRunner, RunResult
from tests.fixtures.waiting import wait_until

START = 1_727_740_800_000  # Tuesday, 2024-10-01 00:00
BEFORE = HOURS_PER_WEEK + 30


def save(path: Path, seed: int) -> Path:
    """Save what is learned from made-up rides up to the first hour of the run."""
    random, engine = np.random.default_rng(seed), ForecastEngine()
    rides = random.poisson(random.gamma(0.4, 9, ZONE_COUNT), (BEFORE, ZONE_COUNT))
    start_ts = START - BEFORE * HOUR_MS
    replay(start_ts, rides, engine=engine)
    path.write_bytes(encode_model(engine, Learned("green", "made-up rides", start_ts, START)))
    return path


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save(tmp_path_factory.mktemp("models") / "september.npz", 1)


Warm = Callable[..., RunResult]


@pytest.fixture(scope="module")
def warm(pipeline: PipelineRunner, trip_file: Path, model: Path) -> Warm:
    """A function that runs the two days with the model, and may disturb the run."""
    return partial(pipeline, trip_file, TWO_DAYS, warm_start=model)


@pytest.fixture(scope="module")
def undisturbed(warm: Warm) -> RunResult:
    result = warm()
    assert result.hash("quality")["hours_closed"] == "48"
    return result


def assert_same(found: RunResult, expected: RunResult) -> None:
    assert found.keys.keys() == expected.keys.keys()
    for key, value in expected.keys.items():
        assert found.keys[key] == value, key


def test_the_run_says_what_it_began_with_and_predicts_from_it(
    undisturbed: RunResult, model: Path
) -> None:
    read, run = load_model(model), undisturbed.run
    assert (run["warm_start"], run["warm_sha256"]) == (str(model), read.sha256)
    assert (run["warm_hours"], run["warm_origin"]) == (str(BEFORE), read.origin)
    forecast = replay(START, np.zeros((1, ZONE_COUNT), np.int64), engine=read.engine).forecast
    assert undisturbed.hash("predictions:2024-10-01T00") == texts(forecast.mean[0])
    last_week = undisturbed.hash("predictions:same_hour_last_week:2024-10-01T00")
    assert len(last_week) == len(ZONE_IDS)


@pytest.mark.parametrize("recovers", [True, False])
def test_a_dataflow_killed_and_restarted_leaves_the_same_redis(
    warm: Warm,
    model: Path,
    undisturbed: RunResult,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    recovers: bool,
) -> None:
    """It resumes from its snapshot, or begins once more with the saved model."""

    def disturb(stack: Stack) -> None:
        for hour in (12, 9):
            killed(stack)
            monkeypatch.setenv(VARIABLE, f"{SHORT_EPOCHS}; dataflow.hour={hour}:kill")
            restart(stack, model)
        killed(stack)
        monkeypatch.setenv(VARIABLE, SHORT_EPOCHS)
        restart(stack, model)

    monkeypatch.setenv(VARIABLE, f"{SHORT_EPOCHS}; dataflow.hour=20:kill")
    directory = tmp_path if recovers else None
    flags = {"recovery_dir": directory, "speed": "12h/s"}
    assert_same(warm(disturb, **flags), undisturbed)


SHORT_EPOCHS = "dataflow.epoch.seconds=0.2"


def killed(stack: Stack) -> None:
    process = stack.processes["dataflow"]
    wait_until(lambda: process.poll() == -signal.SIGKILL, "the dataflow was killed")


def restart(stack: Stack, warm_start: Path | None) -> None:
    servers = {"kafka": stack.kafka.bootstrap, "redis": stack.redis_address.url}
    changes = servers | {"warm_start": warm_start}
    settings = stack.settings.model_copy(update=changes)
    for spec in process_specs(settings, load_run(stack.client)):
        if spec.name == "dataflow":
            stack.processes["dataflow"] = start_process(spec, stack.directory)


def test_any_number_of_processes_may_share_the_run(warm: Warm, undisturbed: RunResult) -> None:
    found = warm(dataflows=3, consumers=2)
    assert_same(found, undisturbed)


def test_a_run_that_starts_over_begins_with_the_model_again(
    warm: Warm, undisturbed: RunResult
) -> None:
    def disturb(stack: Stack) -> None:
        wait_until(lambda: stack.client.exists("rides:2024-10-01T15"), "16 hours are closed")
        send(stack.client, Command("seek", "2024-10-01 02:00"))
        status = wait_until(stack.ended_on_command, "the producer has ended")
        stack.start_over(load_run(stack.client), status)

    found = warm(disturb, speed="12h/s")
    for key, value in undisturbed.keys.items():
        assert found.keys[key] == value, key


def test_the_dataflow_refuses_any_other_file_and_goes_on_with_the_right_one(
    warm: Warm,
    model: Path,
    undisturbed: RunResult,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    damaged = tmp_path / "damaged.npz"
    damaged.write_bytes(model.read_bytes()[:-1])
    refused: dict[Path | None, str] = {
        save(tmp_path / "other.npz", 2): "is another file",
        damaged: "is another file",
        tmp_path / "missing.npz": "No such file",
        None: "say where it is with --warm-start or RUSHHOUR_WARM_START",
    }

    def disturb(stack: Stack) -> None:
        killed(stack)
        monkeypatch.delenv(VARIABLE)
        for path, reason in refused.items():
            restart(stack, path)
            process = stack.processes["dataflow"]
            assert process.wait(60.0)
            assert process.poll() == UsageError.exit_code
            text = process.log.read_text()
            assert reason in text.splitlines()[-1]
            assert "Traceback" not in text
        restart(stack, model)

    monkeypatch.setenv(VARIABLE, "dataflow.hour=20:kill")
    assert_same(warm(disturb), undisturbed)


def test_verify_replays_from_the_saved_model_and_from_no_other(
    pipeline: PipelineRunner, trip_file: Path, model: Path, tmp_path: Path
) -> None:
    with pipeline.started(trip_file, TWO_DAYS, warm_start=model) as (stack, run):
        wait_until(stack.is_done, "the pipeline is done", 120.0)
        checks = list(verify(stack.client, run, [trip_file], None, model))
        assert [check for check in checks if not check.passed] == []
        named = {check.name: check.detail for check in checks}
        assert named["the run began with this saved model"] == run.warm_origin

        for other, problem in (
            (save(tmp_path / "other.npz", 2), "is another file"),
            (tmp_path / "missing.npz", "No such file"),
            (None, "say where it is"),
        ):
            with pytest.raises(UsageError, match=problem):
                list(verify(stack.client, run, [trip_file], None, other))

        for field in ("warm_start", "warm_sha256"):
            stack.client.hset(keys.RUN, field, "")
        failed = [
            check.name
            for check in verify(stack.client, load_run(stack.client), [trip_file])
            if not check.passed
        ]
        assert "predictions equal an offline replay" in failed
