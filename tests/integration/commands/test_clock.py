"""The clock of a live run as a person drives it: redis-cli, the command line, Python."""

import json
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, cast

import pytest

import rushhour as package
from rushhour import clock
from rushhour.core.errors import RedisFailure, UsageError
from tests.fixtures.command import Cli, Rushhour
from tests.fixtures.finished_run import Begin, FinishedRun, serve_copy, up_args
from tests.fixtures.redis_cli import needs_redis_cli, redis_cli
from tests.fixtures.redis_server import contents
from tests.fixtures.waiting import wait_until

RedisCli = Callable[..., str]


def clock_of(call: RedisCli) -> dict[str, str]:
    lines = call("HGETALL", "sim:clock").split("\n")
    return dict(zip(lines[::2], lines[1::2], strict=True))


@needs_redis_cli
def test_redis_cli_drives_a_run(
    rushhour: Rushhour, two_days: Path, finished_run: FinishedRun, tmp_path: Path
) -> None:
    start = ("--start-at", "2024-10-01 05:00", "--paused", "--exit")
    running = rushhour.start(*up_args(two_days, "1h/s", *start))
    client = wait_until(rushhour.client, "Redis answers", 60.0)
    port = client.connection_pool.connection_kwargs["port"]
    call = partial(redis_cli, f"redis://127.0.0.1:{port}")

    def command(name: str, value: str = "") -> dict[str, str]:
        sent = call("XADD", "sim:commands", "*", "command", name, "value", value)
        found = wait_until(lambda: _obeyed(call, sent), f"{name} is obeyed")
        assert found["command"] == sent
        return found

    def stands_at(hour: str) -> None:
        def stands() -> bool:
            found = clock_of(call)
            return (found["state"], found["now"]) == ("paused", hour)

        wait_until(stands, f"the clock stands at {hour}")

    wait_until(lambda: call("EXISTS", "sim:clock") == "1", "the clock runs", 60.0)
    stands_at("2024-10-01 05:00")

    assert command("step", "6h")["command_error"] == ""
    stands_at("2024-10-01 11:00")
    wait_until(lambda: call("HGET", "city", "hour") == "2024-10-01T10", "the hour is scored")

    before = clock_of(call)
    for name, value, why in (
        ("step", "soon", "step 'soon' is not a step"),
        ("step", "9d", "goes beyond the end of the run"),
        ("until", "2024-10-01 09:00", "is in the past: simulated time is 2024-10-01 11:00"),
        ("seek", "2024-11-05", "is after the end of the run"),
        ("seek", "2024-09-30", "is before the start of the run"),
        ("fly", "", "unknown command 'fly'"),
    ):
        refused = command(name, value)
        assert why in refused["command_error"]
        changed = {field for field in before if refused[field] != before[field]}
        assert changed <= {"command", "command_error", "commands", "heartbeat_ts", "results"}

    assert command("until", "2024-10-01 13:00")["pause_at_ts"]
    stands_at("2024-10-01 13:00")
    assert command("seek", "2024-10-02")["command_error"] == ""
    stands_at("2024-10-02 00:00")
    run_id = call("HGET", "sim:run", "run_id")
    assert command("seek", "2024-10-01 03:00")["command_error"] == ""
    wait_until(lambda: call("HGET", "sim:run", "run_id") not in {run_id, ""}, "it starts over")
    stands_at("2024-10-01 03:00")
    results = json.loads(call("HGET", "sim:clock", "results"))
    assert results[-1]["command"] == "seek 2024-10-01 03:00"

    command("speed", "max")
    command("resume")
    ended = running.end()
    assert ended.code == 0, ended.stderr
    assert "starting over, to 2024-10-01 03:00" in ended.stderr
    state_dirs = (rushhour.state_dir, finished_run.rushhour.state_dir)
    found, expected = (
        _saved(state_dir, tmp_path / str(number)) for number, state_dir in enumerate(state_dirs)
    )
    assert found.keys() == expected.keys()
    for key, held in expected.items():
        assert found[key] == held, key


def _obeyed(call: RedisCli, command_id: str) -> dict[str, str] | None:
    found = clock_of(call)
    return found if found.get("command") == command_id else None


def _saved(state_dir: Path, directory: Path) -> dict[str, object]:
    directory.mkdir()
    with serve_copy(state_dir, directory) as (_, client):
        return contents(client)


def test_the_command_line_and_python_drive_a_run_and_stop_it(
    cli: Cli, rushhour: Rushhour, begin: Begin, monkeypatch: pytest.MonkeyPatch
) -> None:
    running, client = begin("--start-at", "2024-10-01 01:00", "--paused")
    assert cli(rushhour, "now").stdout == "2024-10-01 01:00:00\n"

    stepped = cli(rushhour, "step", "2h")
    assert stepped.code == 0, stepped.stderr
    lines = [line for line in stepped.stdout.splitlines() if not line.startswith("  ")]
    assert [line[:16] for line in lines[:2]] == ["2024-10-01 01:00", "2024-10-01 02:00"]
    assert lines[2] == "paused at 2h/s, simulated 2024-10-01 03:00"
    ((_, entry),) = cast(Any, client.xrevrange("city:hourly", count=1))
    assert f"rides {entry['rides']}  prediction {float(entry['prediction']):,.1f}" in lines[1]

    (hour,) = map(json.loads, cli(rushhour, "step", "--json").stdout.splitlines())
    assert (hour["pickup_hour"], hour["hours_closed"]) == ("2024-10-01T03:00:00Z", 4)
    errors = cast(dict[str, str], client.hgetall("errors:2024-10-01T03"))
    worst = [abs(zone["prediction_error"]) for zone in hour["worst_zones"]]
    assert worst == sorted((abs(float(each)) for each in errors.values()), reverse=True)[:5]

    waited = cli(rushhour, "seek", "2024-10-01 06:00", "--wait", "--json").stdout
    assert [json.loads(line)["pickup_hour"][11:13] for line in waited.splitlines()] == [
        "04", "05",
    ]  # fmt: skip
    refused = cli(rushhour, "until", "2024-10-01 02:00")
    assert refused.code == 2
    assert "is in the past: simulated time is 2024-10-01 06:00" in refused.one_line()

    monkeypatch.delenv("RUSHHOUR_REDIS", raising=False)
    monkeypatch.setenv("RUSHHOUR_STATE_DIR", str(rushhour.state_dir))
    assert package.now().isoformat() == "2024-10-01T06:00:00+00:00"
    (closed,) = clock.step()
    assert (closed.label, closed.rides) == (
        "2024-10-01 06:00",
        int(str(client.hget("city", "rides"))),
    )
    assert package.now(client).hour == 7
    with pytest.raises(UsageError, match="is in the past"):
        clock.until(package.now(), client)

    stopped = cli(rushhour, "stop")
    assert (stopped.code, stopped.stdout[:11]) == (0, "stopped at ")
    ended = running.end()
    assert ended.code == 0, ended.stderr
    assert "stopped at 2024-10-01 07:00" in ended.stderr
    assert "hours closed 7 of 48" in ended.words
    assert rushhour.processes() == {}
    assert "stopped at 2h/s" in cli(rushhour, "status").words
    assert cli(rushhour, "now").stdout == "2024-10-01 07:00:00\n"
    assert cli(rushhour, "step").code == 5
    with pytest.raises(RedisFailure):
        clock.step()


def test_a_step_that_another_command_ends_says_so(
    cli: Cli, rushhour: Rushhour, begin: Begin
) -> None:
    _, client = begin("--start-at", "2024-10-01 01:00", "--paused")
    waiting = rushhour.start("until", "2024-10-02", "--wait")
    wait_until(lambda: client.hget("sim:clock", "state") == "running", "the clock runs")
    assert cli(rushhour, "pause").code == 0
    ended = waiting.end(60.0)
    assert ended.code == 5
    assert "another command has paused the clock at 2024-10-01" in ended.one_line()
