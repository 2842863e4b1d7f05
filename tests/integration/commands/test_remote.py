"""The live view as a remote, on a real terminal: keys, what they command, and every way out."""

import re
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import cast

import pytest
import redis

from rushhour.core import keys
from rushhour.core.clock import ClockStatus, Command, CommandResult
from rushhour.core.gate import GateStatus
from rushhour.runtime.redis_client import write_hash
from rushhour.runtime.wall_clock import wall_ts
from rushhour.simulator.stack.redis_server import EmbeddedRedis
from rushhour.simulator.terminal.remote.remote import Remote
from rushhour.storage.clock import load_status, save_status
from rushhour.storage.recent_hours import CityHour, RecentHours
from rushhour.storage.runs import save_run
from tests.fixtures.closed_run import HOUR, START, start_run
from tests.fixtures.command import Rushhour
from tests.fixtures.finished_run import up_args
from tests.fixtures.run_views import LAST, RUN
from tests.fixtures.terminal import Terminal
from tests.fixtures.waiting import wait_until

STATUS = ClockStatus(LAST, "6h/s", "running", 12_345)
PROGRAM = Path(sys.executable).with_name("rushhour")

Open = Callable[..., Terminal]


@pytest.fixture
def open_terminal(rushhour: Rushhour) -> Iterator[Open]:
    """A function that runs a command on a terminal, which is closed after the test."""
    environment = {
        name: value
        for name, value in rushhour.environment.items()
        if name not in {"COLUMNS", "NO_COLOR"}
    }
    with ExitStack() as opened:

        def start(
            *command: object, env: dict[str, str] | None = None, keyboard: bool = True
        ) -> Terminal:
            terminal = Terminal(command, environment | (env or {}), keyboard=keyboard)
            return opened.enter_context(closing(terminal))

        yield start


@pytest.fixture
def watched(
    client: redis.Redis, redis_server: EmbeddedRedis, open_terminal: Open
) -> Callable[..., Terminal]:
    """A function that watches a run whose clock stands in Redis, and answers nothing."""
    save_run(client, RUN)
    # No test takes an hour: the producer seems to answer.
    save_status(client, replace(STATUS, heartbeat_ts=wall_ts() + HOUR))
    start = partial(open_terminal, PROGRAM, "watch", "--redis", redis_server.url)

    def watch(**more: object) -> Terminal:
        terminal = start(**more)
        terminal.wait_for("rushhour: green 2024-10", "speed 6h/s")
        return terminal

    return watch


def test_keys_drive_a_run_of_up(rushhour: Rushhour, two_days: Path, open_terminal: Open) -> None:
    terminal = open_terminal(PROGRAM, *up_args(two_days, "30m/s", "--paused", "--exit"))
    terminal.wait_for("paused", "speed 30m/s", "[space] resume", "[q] quit", seconds=90.0)
    client = wait_until(rushhour.client, "Redis answers")

    terminal.press("s")
    terminal.wait_for("2024-10-01 01:00  paused", "hours closed 1/48")
    terminal.press("++")  # faster than the first is answered
    terminal.wait_for("speed 2h/s")
    terminal.press("-")
    terminal.wait_for("speed 1h/s")
    terminal.press(" ")
    terminal.wait_for("running", "[space] pause")
    terminal.press(" ")
    terminal.wait_for("paused", "[space] resume")

    now = status_of(client).now_ts
    client.xadd(keys.COMMANDS, {"command": "seek", "value": "2024-12-01"})
    terminal.wait_for("refused: seek 2024-12-01 is after the end of the run")
    terminal.press("\x1b[D\x1bs")  # an arrow and Alt-S are no commands
    terminal.press("=")
    terminal.wait_for("speed 2h/s")
    assert "refused" not in terminal.text
    status = status_of(client)
    assert (status.state, status.now_ts) == ("paused", now)
    assert [result.command for result in status.results][-2:] == ["seek 2024-12-01", "speed 2h/s"]

    terminal.press("q")
    assert terminal.end() == 130
    assert terminal.is_as_before
    assert "stopped at 2024-10-01 " in terminal.text
    assert "the run is saved" in terminal.text.replace("\n", " ")
    assert "[q] quit" not in terminal.text


def test_a_gate_that_is_awaited_is_shown(
    client: redis.Redis, watched: Callable[..., Terminal]
) -> None:
    gate = GateStatus(("features", "inference"), LAST, ("inference",), wall_ts() - 12_000)
    write_hash(client, keys.GATE, gate.to_fields())
    watched().wait_for("s for inference (2024-10-05 06:00)")


def _quit(terminal: Terminal, _client: redis.Redis) -> None:
    terminal.press("q")


def _interrupt(terminal: Terminal, _client: redis.Redis) -> None:
    terminal.press("\x03")


def _quit_key(terminal: Terminal, _client: redis.Redis) -> None:
    terminal.press("\x1c")


def _lose_run(_terminal: Terminal, client: redis.Redis) -> None:
    client.delete(keys.RUN)


def _signal(sign: signal.Signals) -> Callable[[Terminal, redis.Redis], None]:
    return lambda terminal, _client: terminal.process.send_signal(sign)


@pytest.mark.parametrize(
    ("leave", "code"),
    [
        pytest.param(_quit, 0, id="q"),
        pytest.param(_interrupt, 130, id="Ctrl-C"),
        pytest.param(_quit_key, -signal.SIGQUIT, id="Ctrl-backslash"),
        pytest.param(_lose_run, 5, id="error"),
        pytest.param(_signal(signal.SIGTERM), 130, id="SIGTERM"),
        pytest.param(_signal(signal.SIGHUP), -signal.SIGHUP, id="SIGHUP"),
    ],
)
def test_every_way_out_leaves_the_terminal_as_it_was(
    leave: Callable[[Terminal, redis.Redis], None],
    code: int,
    client: redis.Redis,
    watched: Callable[..., Terminal],
) -> None:
    terminal = watched()
    assert terminal.screen.is_other
    assert not terminal.reads_lines
    assert not terminal.screen.shows_cursor
    leave(terminal, client)
    assert terminal.end() == code
    assert terminal.is_as_before
    assert "rushhour: green" not in terminal.text


def test_ctrl_z_gives_the_terminal_to_the_shell_and_fg_takes_it_back(
    watched: Callable[..., Terminal], redis_server: EmbeddedRedis, open_terminal: Open
) -> None:
    watched().press("q")
    script = (
        f'"{PROGRAM}" watch --redis {redis_server.url}; echo stopped; read line; fg; echo end $?'
    )
    terminal = open_terminal("sh", "-m", "-c", script)
    terminal.wait_for("rushhour: green 2024-10", "speed 6h/s")
    terminal.press("\x1a")
    terminal.wait_for("stopped")
    assert terminal.is_as_before
    terminal.press("\n")
    terminal.wait_for("rushhour: green 2024-10", "speed 6h/s")
    assert not terminal.reads_lines
    terminal.press("q")
    terminal.wait_for("the run goes on", "end 0")
    assert terminal.is_as_before


def test_a_view_in_the_background_leaves_the_terminal_alone(
    watched: Callable[..., Terminal], redis_server: EmbeddedRedis, open_terminal: Open
) -> None:
    watched().press("q")
    script = f'"{PROGRAM}" watch --redis {redis_server.url} & read line; echo got $line; fg'
    terminal = open_terminal("sh", "-m", "-c", script)
    terminal.press("q\n")
    terminal.wait_for("got q")
    terminal.wait_for("rushhour: green 2024-10", "speed 6h/s")
    terminal.press("q")
    terminal.wait_for("the run goes on")


def test_no_key_is_read_without_a_terminal(watched: Callable[..., Terminal]) -> None:
    terminal = watched(keyboard=False)
    assert terminal.reads_lines
    assert "quit" not in terminal.text
    terminal.press("q\n")
    terminal.press("\x03")
    assert terminal.end() == 130
    assert terminal.is_as_before


def test_a_view_that_does_not_change_writes_nothing_and_another_size_is_filled(
    client: redis.Redis, watched: Callable[..., Terminal]
) -> None:
    terminal = watched()
    terminal.wait_for("now 0 ")
    received = len(terminal.received)
    seen = client.info("stats")["total_commands_processed"]
    wait_until(
        lambda: client.info("stats")["total_commands_processed"] > seen + 200, "it looks again"
    )
    assert len(terminal.received) == received

    write_hash(client, keys.QUALITY, {"rides": 7})
    terminal.wait_for("rides 7 ")
    assert len(terminal.received) - received < 40

    for columns, rows in ((40, 24), (120, 30)):
        terminal.resize(columns, rows)
        terminal.wait_for("speed 6h/s", "[q] quit")
        assert {len(line) for line in terminal.screen.lines if line} == {columns}


def test_a_stopped_terminal_holds_nothing_up(
    client: redis.Redis, watched: Callable[..., Terminal]
) -> None:
    terminal = watched()

    def obeyed(count: int) -> bool:
        return client.xlen(keys.COMMANDS) == count

    terminal.press("\x13")  # Ctrl-S
    for rides in range(1, 4):
        write_hash(client, keys.QUALITY, {"rides": rides})
        terminal.press(" ")
        wait_until(partial(obeyed, rides), f"key {rides} is obeyed", 30.0)
    assert "rides 3 " not in terminal.text
    terminal.press("\x11")  # Ctrl-Q
    terminal.wait_for("rides 3 ")


def test_colours_are_left_out_on_demand(watched: Callable[..., Terminal]) -> None:
    assert colors(watched())
    assert not colors(watched(env={"NO_COLOR": "1"}))


def colors(terminal: Terminal) -> set[int]:
    """Return the codes of colours that a terminal has received."""
    codes = re.findall(rb"\x1b\[([0-9;]*)m", terminal.received)
    return {int(code) for found in codes for code in found.split(b";")} & {
        *range(30, 50),
        *range(90, 108),
    }


def test_keys_count_from_what_those_before_them_lead_to(client: redis.Redis) -> None:
    remote = Remote(client)
    remote.update("id", STATUS)
    for key in "  +=-sx?":
        remote.press(key)
    sent = cast(list[tuple[str, dict[str, str]]], client.xrange(keys.COMMANDS))
    assert [fields for _, fields in sent] == [
        Command(name, value).to_fields()  # type: ignore[arg-type]
        for name, value in (
            ("pause", ""),
            ("resume", ""),
            ("speed", "12h/s"),
            ("speed", "1d/s"),
            ("speed", "12h/s"),
            ("step", "1h"),
        )
    ]
    assert remote.is_waiting
    assert not remote.quits
    last, _ = sent[-1]
    result = CommandResult(last, "step 1h", "too far", LAST)
    status = ClockStatus(LAST, "12h/s", "paused", 1, last, "too far", results=(result,))
    remote.update("id", status)
    assert not remote.is_waiting
    assert remote.message == "refused: too far"
    remote.update("another", STATUS)
    assert remote.message == ""


def test_an_ended_run_takes_no_commands(client: redis.Redis) -> None:
    remote = Remote(client)
    remote.update("id", ClockStatus(LAST, "max", "finished", 1))
    remote.press("+")
    assert remote.message == "max is the highest speed"
    remote.press("s")
    assert remote.message == "the replay has finished: there is no clock left to command"
    assert not client.exists(keys.COMMANDS)


def test_only_new_hours_are_read(client: redis.Redis) -> None:
    run = start_run(client)
    recent = RecentHours(client, 2)
    assert recent.update(run.run_id) == ()
    for number in range(3):
        prediction = "n/a" if number == 1 else "2.5"
        client.xadd(
            keys.CITY_HOURLY,
            {"rides": number, "prediction": prediction},
            f"{START + number * HOUR}-0",
        )
        kept = recent.update(run.run_id)
    assert kept == (CityHour(START + HOUR, 1, None), CityHour(START + 2 * HOUR, 2, 2.5))
    client.delete(keys.CITY_HOURLY)
    assert recent.update(run.run_id) == kept
    assert recent.update("another") == ()


def status_of(client: redis.Redis) -> ClockStatus:
    status = load_status(client)
    assert status is not None
    return status
