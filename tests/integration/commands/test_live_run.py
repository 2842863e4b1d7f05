"""A run while it goes: it obeys commands, is followed, and ends cleanly however it is ended."""

import json
import os
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import redis

from rushhour.simulator.stack.ports import free_ports
from rushhour.simulator.stack.redis_server import EmbeddedRedis
from tests.fixtures.command import Cli, Rushhour
from tests.fixtures.finished_run import SLOW, Begin, hours_closed, serve_copy, up_args
from tests.fixtures.settings import environment_without_settings
from tests.fixtures.waiting import wait_until

needs_proc = pytest.mark.skipif(sys.platform != "linux", reason="looks for processes in /proc")
PROCESSES = {
    "producer",
    "dataflow",
    "consumer",
    "rushhour.simulator.stack.broker",
    "-server",  # of Redis, or Valkey where the system has none
}


def test_a_live_run_obeys_commands_and_keeps_its_state_directory_and_its_port(
    cli: Cli,
    rushhour: Rushhour,
    begin: Begin,
    two_days: Path,
    redis_server: EmbeddedRedis,
) -> None:
    taken = redis_server.port or 0
    running, client = begin("--redis-port", taken)
    watching = rushhour.start("watch", "--json")
    wait_until(watching.out.read_text, "an hour is watched", 60.0)

    def clock(field: str) -> str:
        return str(client.hget("sim:clock", field))

    port = client.connection_pool.connection_kwargs["port"]
    assert port > taken
    notes = running.err.read_text()
    assert f"redis-cli -p {port}" in notes
    assert f"port {taken} is taken" in notes

    second = cli(rushhour, *up_args(two_days, "max"))
    assert second.code == 6
    assert f"a run is live already (process {running.process.pid}, " in second.one_line()

    paused = cli(rushhour, "pause")
    assert (paused.code, paused.stderr) == (0, "")
    assert paused.stdout.startswith(f"paused at {SLOW}, simulated 2024-10-01 ")
    stood_at = clock("now_ts")

    # Each command waits until the replay has obeyed it.
    for _ in range(3):
        faster = json.loads(cli(rushhour, "speed", "4h/s", "--json").stdout)
        assert (faster["state"], faster["speed"]) == ("paused", "4h/s")
        assert str(faster["simulated_ts"]) == stood_at
        assert faster["simulated_time"].startswith("2024-10-01T")
        assert (clock("state"), clock("speed"), clock("now_ts")) == ("paused", "4h/s", stood_at)
    status = cli(rushhour, "status")
    assert "paused at 4h/s" in status.stdout
    assert f"read from the live run at redis://127.0.0.1:{port}" in status.words

    served = cli(rushhour, "redis")  # only names the live one
    assert (served.code, served.stdout) == (0, f"redis-cli -p {port}\n")

    resumed = cli(rushhour, "resume")
    assert " at 4h/s, simulated 2024-10-01 " in resumed.stdout
    wait_until(lambda: int(clock("now_ts")) > int(stood_at), "the clock runs")

    assert cli(rushhour, "speed", "max").code == 0
    ended = running.end()
    assert ended.code == 0, ended.stderr
    assert "48 of 48" in ended.stdout
    assert cli(rushhour, "verify").code == 0  # commands change when things happen, never what

    watched = watching.end()
    assert (watched.code, watched.stderr) == (0, "")
    hours = [json.loads(line)["hours_closed"] for line in watched.stdout.splitlines()]
    assert hours == list(range(hours[0], 49))


@needs_proc
@pytest.mark.parametrize("sign", [signal.SIGINT, signal.SIGTERM], ids=["ctrl-c", "sigterm"])
def test_a_run_that_is_stopped_ends_cleanly_and_can_still_be_read(
    cli: Cli, rushhour: Rushhour, begin: Begin, sign: signal.Signals
) -> None:
    running, client = begin()
    closed = hours_closed(client)
    assert len(rushhour.processes()) == 1 + len(PROCESSES)

    running.process.send_signal(sign)
    ended = running.end()

    assert ended.code == 130
    assert "Traceback" not in ended.stderr + ended.stdout
    assert rushhour.processes() == {}
    shown = cli(rushhour, "status")
    assert shown.code == 0
    assert f"stopped at {SLOW}" in shown.words
    assert int(shown.words.split("hours closed ")[1].split()[0]) >= closed
    time = shown.words.split("simulated now ")[1].partition(" state")[0]
    assert f"stopped at {time}\n" in ended.stderr  # both name the same time
    assert "`rushhour status`" in ended.stderr.splitlines()[-1]


@needs_proc
def test_a_run_whose_reader_has_left_is_stopped_quietly(
    rushhour: Rushhour, two_days: Path, cli: Cli
) -> None:
    port = free_ports(1)[0]  # a taken one is announced on a fifth line
    arguments = " ".join(str(each) for each in up_args(two_days, "12h/s", "--redis-port", port))
    command = f"{Path(sys.executable).with_name('rushhour')} {arguments}"
    script = f"{command} 2>&1 | head -4; echo ${{PIPESTATUS[0]}}"
    environment = environment_without_settings() | rushhour.environment
    ended = subprocess.run(
        ["bash", "-c", script], capture_output=True, text=True, env=environment, check=True
    )
    assert ended.stderr == ""
    *head, code = ended.stdout.splitlines()
    assert len(head) == 4
    assert code == "141"
    assert rushhour.processes() == {}
    assert "stopped at 12h/s" in cli(rushhour, "status").words


@needs_proc
def test_a_run_that_is_killed_takes_its_processes_with_it(rushhour: Rushhour, begin: Begin) -> None:
    running, _ = begin("--dataflows", 3, "--consumers", 2)
    children = {
        pid: line for pid, line in rushhour.processes().items() if pid != running.process.pid
    }
    found = Counter(name for name in PROCESSES for line in children.values() if name in line)
    assert found == Counter(PROCESSES) + Counter({"dataflow": 2, "consumer": 1})

    running.process.kill()

    wait_until(lambda: not rushhour.processes(), "all processes are gone", 15.0)


@needs_proc
def test_a_process_that_dies_ends_the_run_and_is_named(rushhour: Rushhour, begin: Begin) -> None:
    running, _ = begin("-q")
    victim = next(pid for pid, line in rushhour.processes().items() if line == "dataflow")

    os.kill(victim, signal.SIGKILL)
    ended = running.end()

    line = ended.one_line()
    assert line.startswith("rushhour: the dataflow was killed by signal 9")
    assert str(rushhour.state_dir / "dataflow.log") in line
    assert ended.code == 6
    assert rushhour.processes() == {}


@needs_proc
def test_a_redis_that_goes_away_ends_the_run_with_one_line(
    rushhour: Rushhour, begin: Begin, tmp_path: Path
) -> None:
    server = EmbeddedRedis(tmp_path, free_ports(1)[0])
    try:
        running, _ = begin("-q", "--redis", server.url)
    finally:
        server.process.stop()
    ended = running.end()

    assert "redis" in ended.one_line().lower()
    assert ended.code in {5, 6}
    assert rushhour.processes() == {}


def test_a_saved_run_is_served_until_ctrl_c(rushhour: Rushhour, after_run: Rushhour) -> None:
    port = free_ports(1)[0]
    serving = after_run.start("redis", "--redis-port", port, "--json")
    text = wait_until(serving.out.read_text, "the address is printed")
    assert json.loads(text) == {
        "location": {"kind": "saved", "redis_url": None, "state_dir": str(after_run.state_dir)},
        "redis_url": f"redis://127.0.0.1:{port}",
    }
    client = redis.Redis(port=port, decode_responses=True)
    assert client.hget("quality", "hours_closed") == "48"
    client.close()

    serving.process.send_signal(signal.SIGINT)
    ended = serving.end()
    assert ended.code == 0
    assert "until Ctrl-C" in ended.stderr


def test_without_a_network_a_synthetic_month_is_replayed_and_reported_as_json(
    cli: Cli, rushhour: Rushhour, tmp_path_factory: pytest.TempPathFactory
) -> None:
    args: list[Any] = ["--dataset", "green", "--from", "2024-10-01", "--until", "2024-10-01"]
    ended = rushhour("up", *args, "--speed", "max", "--json", "--profile")

    assert ended.code == 0, ended.stderr
    assert "cannot download" in ended.stderr
    assert "SYNTHETIC" in ended.stderr
    report = json.loads(ended.stdout)
    assert report["run"]["is_synthetic"] is True
    assert report["counts"]["hours_closed"] == 24
    assert report["wall_s"] > 0
    assert report["trips_per_s"] == pytest.approx(report["trips"] / report["wall_s"], rel=0.01)
    names = ["producer", "dataflow", "consumer", "broker", "redis"]
    assert [process["name"] for process in report["processes"]] == names
    assert all(process["peak_memory_bytes"] > 1_000_000 for process in report["processes"])
    assert 0 < report["first_hour_s"] <= report["wall_s"]
    _check_profile(report)
    served = report["scores"]["by_model"][0]
    assert served["name"] == report["scores"]["served"]
    assert served["mae"] > 0
    assert served["skill"] is None
    assert "SYNTHETIC" in cli(rushhour, "status").stdout
    with serve_copy(rushhour.state_dir, tmp_path_factory.mktemp("copy")) as (_, client):
        assert client.hget("sim:run", "source") == "synthetic"
    assert cli(rushhour, "verify", "-q").code == 0


def _check_profile(report: dict[str, Any]) -> None:
    profile = {part["name"]: part for part in report["profile"]}
    names = ["producer", "dataflow", "consumer", "broker", "redis", "up"]
    assert list(profile) == names
    for part in profile.values():
        assert part["cpu_user_s"] + part["cpu_system_s"] > 0
        assert part["peak_memory_bytes"] > 1_000_000
    producer, dataflow, consumer, redis_server = (
        profile[name] for name in ("producer", "dataflow", "consumer", "redis")
    )
    ticks = 4 * (24 + 1)  # of each partition: at the start, and at the end of each hour
    starts = 4 * 24  # of hours, on each partition of `submissions`
    assert dataflow["messages_in"] == producer["messages_out"] - starts == report["trips"] + ticks
    assert dataflow["messages_out"] == consumer["messages_in"] - starts > 24 * 530
    assert redis_server["messages_in"] > 0
    assert redis_server["bytes_in"] > 24 * 10_000
    waits = {name: {wait["reason"] for wait in part["waits"]} for name, part in profile.items()}
    assert {"closed_hours", "redis"} <= waits["producer"]
    assert {"trips", "kafka"} <= waits["dataflow"]
    assert {"events", "redis"} <= waits["consumer"]
    assert waits["up"] == set()
