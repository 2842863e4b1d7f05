"""A mistake of the user ends a command with one line on stderr and a documented exit code."""

from pathlib import Path

import pytest

from rushhour.core import errors
from tests.fixtures.command import Cli, Rushhour

ROOT = Path(__file__).parents[3]


@pytest.mark.parametrize(
    ("args", "code", "message"),
    [
        (["up", "--dataset", "purple"], 2, "dataset 'purple' is invalid: use yellow or green"),
        (["up", "--month", "2024-13"], 2, "month '2024-13' is not a month"),
        (["up", "--month", "2008-12"], 2, "TLC trip records begin in 2009-01"),
        (["up", "--speed", "fast"], 2, "speed 'fast' is not a speed"),
        (["up", "--from", "2024-10-05", "--until", "2024-10-01"], 2, "check --from, --until"),
        (["up", "--from", "2024-09-30"], 2, "within 2024-10"),
        (["up", "--surge", "132:x@2024-10-20"], 2, "surge '132:x@2024-10-20' is not a surge"),
        (["up", "--keep", "3d"], 2, "keep '3d' is too short: keep at least 14d (336h)"),
        (["up", "--keep", "long"], 2, "keep 'long' is not a history: write it as 35d, 840h or all"),
        (["up", "--rebase", "soon"], 2, "rebase 'soon' is neither now nor a date"),
        (["up", "--loop", "--until", "2024-10-06"], 2, "loop needs at least one whole week"),
        (["up", "--workers", "0"], 2, "workers '0'"),
        (["up", "--dataflows", "0"], 2, "dataflows '0'"),
        (["up", "--consumers", "65"], 2, "consumers '65'"),
        (["up", "--data", "/nonexistent.parquet"], 3, "/nonexistent.parquet: no such file"),
        (["up", "--data-dir", "/nonexistent"], 3, "/nonexistent: no such directory"),
        (["speed", "fast"], 2, "speed 'fast' is not a speed"),
        (["zone", "999"], 2, "zone 999 does not exist: zones are 1 to 265"),
        (["zone", "0"], 2, "zone 0 does not exist"),
        (["status"], 5, "no run found: start one with `rushhour up`"),
        (["zone", "132"], 5, "no run found"),
        (["zone", "266"], 2, "zone 266 does not exist: zones are 1 to 265"),
        (["compare"], 5, "no run found"),
        (["models"], 5, "no run found"),
        (["alerts"], 5, "no run found"),
        (["alerts", "--zone", "0"], 2, "zone 0 does not exist"),
        (["alerts", "--last", "0"], 2, "--last 0: show at least 1 alert"),
        (["export", "/nonexistent/a/b"], 2, "/nonexistent/a is not a directory: choose another"),
        (["export", "/"], 2, "/: Directory not empty: choose another directory"),
        (["export", __file__], 2, "exists, and is not a directory"),
        (["export", "/tmp/rushhour-is-not-there"], 5, "no run found"),
        (["export"], 2, "missing argument 'DIR'"),
        (["report"], 5, "no run found"),
        (["report", "--html", "/nonexistent/a.html"], 2, "choose another --html"),
        (["report", "--html", "/"], 2, "/: Is a directory: choose another --html"),
        (["verify"], 5, "no run found"),
        (["pause"], 5, "no run is live"),
        (["watch"], 5, "no run is live"),
        (["prepare"], 2, "the run needs RUSHHOUR_KAFKA and RUSHHOUR_REDIS"),
        (["resume"], 5, "no run is live"),
        (["speed", "1h/s"], 5, "no run is live"),
        (["status", "--redis", "redis://127.0.0.1:1"], 5, "Redis at redis://127.0.0.1:1: "),
        (["status", "--redis", "localhost"], 2, "redis 'localhost' is not a Redis URL"),
        (["status", "--redis", "http://foo"], 2, "redis 'http://foo' is not a Redis URL"),
        (["download", "--dataset", "green"], 3, "check the network"),
        (["backtest"], 3, "yellow_tripdata_2024-10.parquet is not on this machine"),
        (["backtest", "--data", "/nonexistent.parquet"], 3, "/nonexistent.parquet: no such file"),
        (["backtest", "--data", __file__], 3, f"{__file__}: not a Parquet file"),
        (["backtest", "--data-dir", "/nonexistent"], 3, "/nonexistent: no such directory"),
        (["backtest", "--synthetic", "--data", "a.parquet"], 2, "remove --data"),
        (["backtest", "--synthetic", "--month", "2024-13"], 2, "'2024-13' is not a month"),
        (["backtest", "--synthetic", "--from", "2024-11-01"], 2, "check --from, --until"),
        (["backtest", "--synthetic", "--surge", "132:2"], 2, "surge '132:2' is not a surge"),
        (["backtest", "--synthetic", "--horizons", "1,200"], 2, "no number of hours from 1 to 168"),
        (["backtest", "--zone", "132"], 2, "give --plot FILE.png too"),
        (["backtest", "--zone", "0", "--plot", "a.png"], 2, "zone 0 does not exist"),
        (["backtest", "--plot", "a.gif"], 2, "choose a --plot that ends in .png"),
        (["backtest", "--plot", "/nonexistent/a.png"], 2, "choose another --plot"),
        (["backtest", "--csv", "/nonexistent/a.csv"], 2, "choose another --csv"),
        (["backtest", "--csv", "/"], 2, "/: Is a directory: choose another --csv"),
        (["up", "--workers", "many"], 2, "workers 'many' is invalid: use a whole number"),
        (["zone", "JFK"], 2, "invalid value for 'ZONE': "),
        (["zone"], 2, "missing argument 'ZONE': see `rushhour zone --help`"),
        (["fly"], 2, "no such command 'fly': see `rushhour --help`"),
        (["status", "--loud"], 2, "no such option: --loud"),
        (["redis"], 5, "no run found"),
        (["status", "--redis", "http://localhost"], 2, "is not a Redis URL"),
        (["watch", "--json"], 5, "no run is live"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_a_mistake_is_one_line_and_an_exit_code(
    cli: Cli, rushhour: Rushhour, args: list[str], code: int, message: str
) -> None:
    ended = cli(rushhour, *args)
    line = ended.one_line()
    assert line.startswith("rushhour: ")
    assert message in line
    assert (ended.code, ended.stdout) == (code, "")


def test_a_bad_environment_variable_is_named(cli: Cli, rushhour: Rushhour) -> None:
    ended = cli(rushhour, "status", env={"RUSHHOUR_REDIS_PORT": "often"})
    assert "RUSHHOUR_REDIS_PORT" in ended.one_line()
    assert "'often'" in ended.one_line()
    assert ended.code == 2


def test_without_a_command_the_help_is_an_error(cli: Cli, rushhour: Rushhour) -> None:
    ended = cli(rushhour)
    assert (ended.code, ended.stdout) == (2, "")
    assert ended.stderr.startswith("Usage: rushhour ")


def test_exit_codes_are_documented() -> None:
    reference = (ROOT / "docs" / "reference.md").read_text("utf-8")
    table = reference.partition("## Exit codes")[2]
    codes = {
        kind.exit_code
        for kind in vars(errors).values()
        if isinstance(kind, type) and issubclass(kind, errors.RushhourError)
    }
    assert codes >= {2, 3, 4, 5, 6, 7, 141}
    for code in codes | {0, errors.INTERRUPTED}:
        assert f"\n| {code} | " in table
