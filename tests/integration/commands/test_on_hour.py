"""`rushhour up --on-hour` and `rushhour ack`: a command for each hour, and what if it fails."""

import json
import signal
import sys
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import redis

from rushhour.core.hours import HOUR_MS, hour_label
from tests.fixtures.command import Cli, Running, Rushhour
from tests.fixtures.waiting import wait_until

START = 1_727_740_800_000  # 2024-10-01 00:00
HOURS = 6
LABELS = [hour_label(START + number * HOUR_MS) for number in range(HOURS + 1)]

needs_proc = pytest.mark.skipif(sys.platform != "linux", reason="looks for processes in /proc")


def up(rushhour: Rushhour, file: Path, *more: object) -> Running:
    span = ("--from", "2024-10-01", "--until", "2024-10-01 05:00")
    return rushhour.start(
        *("up", "--dataset", "green", "--data", file, *span, "--speed", "max", *more)
    )


def client_of(rushhour: Rushhour, running: Running) -> redis.Redis:
    def found() -> redis.Redis | None:
        assert running.process.poll() is None, running.err.read_text()
        return rushhour.client()

    return wait_until(found, "the run is live", 90.0)


def status_of(cli: Cli, rushhour: Rushhour) -> dict[str, Any]:
    done = cli(rushhour, "status", "--json")
    assert done.code == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def wait_for_failure(rushhour: Rushhour, running: Running) -> redis.Redis:
    """Wait until the command has failed and the clock is paused."""
    client = client_of(rushhour, running)

    def failed() -> bool:
        assert running.process.poll() is None, running.err.read_text()
        command = client.hget("sim:on_hour", "state")
        return (command, client.hget("sim:clock", "state")) == ("failed", "paused")

    wait_until(failed, "the command has failed and the clock is paused", 90.0)
    return client


def test_the_command_runs_for_each_hour_in_order_and_knows_the_run(
    rushhour: Rushhour, two_days: Path, tmp_path: Path, cli: Cli
) -> None:
    out = tmp_path / "hours.txt"
    command = (
        f'test -n "$RUSHHOUR_KAFKA" && test -n "$RUSHHOUR_REDIS" && '
        f'echo {{hour}} {{next_hour}} "$RUSHHOUR_HOUR" >> {out}'
    )
    ended = up(rushhour, two_days, "--on-hour", command).end()
    assert ended.code == 0, ended.stderr
    expected = [f"{hour} {following} {hour}" for hour, following in pairwise(LABELS)]
    assert out.read_text().splitlines() == expected
    assert "6 of 6" in ended.stdout
    assert cli(rushhour, "verify").code == 0  # a gate changes when things happen, never what
    status = status_of(cli, rushhour)
    assert status["state"] == "finished"
    assert status["on_hour"] is None
    assert status["gate"]["gates"] == ["on-hour"]
    assert status["gate"]["awaited"] == []


def test_a_command_that_fails_pauses_the_clock_and_runs_again_when_it_is_resumed(
    rushhour: Rushhour, two_days: Path, tmp_path: Path, cli: Cli
) -> None:
    mended, out = tmp_path / "mended", tmp_path / "hours.txt"
    command = (
        f"echo {{hour}} >> {out}; echo reading the features; test {{hour}} != 2024-10-01T03 || "
        f"test -e {mended} || {{ echo no such table >&2; exit 3; }}"
    )
    running = up(rushhour, two_days, "--on-hour", command)
    client = wait_for_failure(rushhour, running)

    status = status_of(cli, rushhour)
    assert status["state"] == "paused"
    assert status["simulated_time"] == "2024-10-01T04:00:00Z"
    assert status["on_hour"] == {
        "command": command,
        "hour": {"pickup_hour": "2024-10-01T03:00:00Z", "pickup_ts": START + 3 * HOUR_MS},
        "state": "failed",
        "reason": "ended with exit code 3",
        "output": ["reading the features", "no such table"],
    }
    assert status["gate"]["awaited"] == ["on-hour"]
    shown = cli(rushhour, "status").words
    assert "failed for 2024-10-01 03:00" in shown
    assert "it ended with exit code 3: `rushhour resume` runs it again" in shown
    assert "> no such table" in shown
    wait_until(lambda: "exit code 3" in running.err.read_text(), "it is said on stderr")
    assert "for 2024-10-01 03:00: no such table (log: " in running.err.read_text()

    # Resumed without a cure, it fails again; with one, the run goes on.
    assert cli(rushhour, "resume").code == 0
    wait_until(lambda: out.read_text().count("T03") == 2, "it has run again")
    wait_for_failure(rushhour, running)
    assert int(str(client.hget("quality", "hours_closed"))) == 4
    mended.touch()
    assert cli(rushhour, "resume").code == 0
    ended = running.end()
    assert ended.code == 0, ended.stderr
    hours = out.read_text().splitlines()
    assert hours == [*LABELS[:3], *["2024-10-01T03"] * 3, *LABELS[4:HOURS]]
    assert cli(rushhour, "verify").code == 0


@needs_proc
def test_a_command_that_hangs_is_ended_with_what_it_started_and_can_be_passed_over(
    rushhour: Rushhour, two_days: Path, cli: Cli
) -> None:
    command = "test {hour} != 2024-10-01T02 || { echo asleep; sleep 1000 | sleep 1000; }"
    running = up(rushhour, two_days, "--on-hour", command, "--on-hour-timeout", "500ms")
    refused = running.end()
    assert refused.code == 2
    assert "--on-hour-timeout" in refused.one_line()

    running = up(rushhour, two_days, "--on-hour", command, "--on-hour-timeout", "1s")
    wait_for_failure(rushhour, running)
    found = status_of(cli, rushhour)["on_hour"]
    assert (found["reason"], found["output"]) == ("did not end within 1s", ["asleep"])
    assert found["hour"]["pickup_hour"] == "2024-10-01T02:00:00Z"
    assert not [line for line in rushhour.processes().values() if line.startswith("sleep")]

    passed = cli(rushhour, "ack", "on-hour", "2024-10-01T02")
    assert (passed.code, passed.stderr) == (0, "")
    assert passed.stdout == (
        "on-hour has acknowledged the hours up to 2024-10-01 02:00; none is awaited\n"
    )
    assert cli(rushhour, "resume").code == 0
    ended = running.end()
    assert ended.code == 0, ended.stderr


def test_a_command_that_fails_for_the_last_hour_keeps_the_run_from_its_end(
    rushhour: Rushhour, two_days: Path, tmp_path: Path, cli: Cli
) -> None:
    mended = tmp_path / "mended"
    command = f"test {{hour}} != 2024-10-01T05 || test -e {mended}"
    running = up(rushhour, two_days, "--on-hour", command)
    client = wait_for_failure(rushhour, running)
    assert int(str(client.hget("quality", "hours_closed"))) == HOURS
    mended.touch()
    assert cli(rushhour, "resume").code == 0
    assert running.end().code == 0


@needs_proc
def test_ctrl_c_ends_the_command_as_well(rushhour: Rushhour, two_days: Path, cli: Cli) -> None:
    running = up(rushhour, two_days, "--on-hour", "sleep 1000; true")
    client = client_of(rushhour, running)
    wait_until(lambda: client.hget("sim:on_hour", "state") == "running", "it runs", 90.0)
    wait_until(lambda: "sleep 1000" in rushhour.processes().values(), "its process runs")
    running.process.send_signal(signal.SIGINT)
    assert running.end().code == 130
    assert rushhour.processes() == {}
    assert status_of(cli, rushhour)["on_hour"] is None


def test_a_gate_that_nobody_acknowledges_is_said_and_ack_opens_it(
    rushhour: Rushhour, two_days: Path, cli: Cli
) -> None:
    running = up(rushhour, two_days, "--gate", "features,inference")
    client = client_of(rushhour, running)
    wait_until(lambda: client.hget("sim:clock", "state") == "waiting", "it waits", 90.0)

    none = cli(rushhour, "ack", "model")
    assert none.code == 2
    assert "does not wait for a gate 'model': it waits for features, inference" in none.one_line()
    early = cli(rushhour, "ack", "features", "2024-10-01T01")
    assert early.code == 2
    assert "hour 2024-10-01 01:00 is not closed yet" in early.one_line()

    shown = cli(rushhour, "ack", "features")
    assert shown.stdout == (
        "features has acknowledged the hours up to 2024-10-01 00:00; still awaited: inference\n"
    )
    wait_until(
        lambda: "for inference (2024-10-01 00:00)" in running.err.read_text(), "it is said", 60.0
    )
    status = cli(rushhour, "status").words
    assert "for inference (2024-10-01 00:00)" in status
    done = json.loads(cli(rushhour, "ack", "inference", "--json").stdout)
    assert (done["gate"], done["pickup_ts"], done["awaited"]) == ("inference", START, [])
    wait_until(
        lambda: client.hget("sim:gate", "hour") == "2024-10-01T01", "the next hour is asked for"
    )
    assert cli(rushhour, "ack", "features", "2024-10-01T00").code == 0  # again changes nothing
    assert client.hget("sim:gate", "awaited") == "features,inference"
    running.process.send_signal(signal.SIGINT)
    assert running.end().code == 130


def test_a_gate_with_the_name_of_the_command_needs_one(rushhour: Rushhour, two_days: Path) -> None:
    ended = up(rushhour, two_days, "--gate", "on-hour").end()
    assert ended.code == 2
    assert "gate 'on-hour' is that of the command of --on-hour" in ended.one_line()
