"""`rushhour verify --live`: it watches a run under way, and finds what goes wrong meanwhile."""

import signal
import time

import pytest

from rushhour.core import keys
from tests.fixtures.command import Cli, Rushhour
from tests.fixtures.finished_run import Begin
from tests.fixtures.waiting import wait_until

SEVERAL_SAMPLES_S = 2.0


def test_a_live_run_is_watched_until_it_is_told_to_stop(
    cli: Cli, rushhour: Rushhour, begin: Begin
) -> None:
    begin()

    shown = cli(rushhour, "verify", "--live", "--for", "1.5")

    assert shown.code == 0, shown.stdout
    lines = shown.stdout.splitlines()
    assert [line for line in lines if not line.startswith("ok ")] == []
    assert lines[0].startswith("ok   the run was watched: ")
    assert "ok   city:hourly has no hole: " in shown.stdout


def test_what_goes_wrong_in_a_live_run_is_found(cli: Cli, rushhour: Rushhour, begin: Begin) -> None:
    _, client = begin()
    watching = rushhour.start("verify", "--live")
    wait_until(lambda: "watching" in watching.err.read_text(), "it watches")
    cli(rushhour, "pause")
    wait_until(lambda: len(client.keys("predictions:2*")) > 2, "the zones have hours")
    time.sleep(SEVERAL_SAMPLES_S)
    client.hset(keys.zone(132), "hour", "2024-09-30T23")
    time.sleep(SEVERAL_SAMPLES_S)
    watching.process.send_signal(signal.SIGINT)

    ended = watching.end()
    assert ended.code == 7, ended.stdout
    failed = [line for line in ended.stdout.splitlines() if not line.startswith("ok ")]
    assert len(failed) == 1
    assert failed[0].startswith("FAIL zones never go back: ")
    assert "zone:132 hour was 2024-10-0" in failed[0]
    assert "rushhour: 1 check failed" in ended.stderr


def test_watching_ends_with_the_run(rushhour: Rushhour, begin: Begin, cli: Cli) -> None:
    running, _ = begin()
    watching = rushhour.start("verify", "--live", "--json")
    wait_until(lambda: "watching" in watching.err.read_text(), "it watches")
    cli(rushhour, "speed", "max")

    ended = watching.end()
    running.end()

    assert ended.code == 0, ended.stdout
    assert "48 of 48 hours are closed" in ended.stdout
    assert all('"status":"ok"' in line for line in ended.stdout.splitlines())


@pytest.mark.parametrize("flags", [("--for", "2"), ("--live", "--for", "-1")])
def test_seconds_need_a_live_run(cli: Cli, rushhour: Rushhour, flags: tuple[str, ...]) -> None:
    ended = cli(rushhour, "verify", *flags)
    assert ended.code == 2
    assert "pass a positive number of seconds, with --live" in ended.one_line()


def test_without_a_live_run_there_is_nothing_to_watch(cli: Cli, rushhour: Rushhour) -> None:
    ended = cli(rushhour, "verify", "--live")
    assert ended.code == 5
    assert "no run is live" in ended.one_line()
